use super::*;

/// A whole header, followed by the peer's own bytes.
fn whole(header: &[u8]) -> ProxyHeader {
    // As long as a byte of it is missing, it is neither right nor wrong.
    for length in 0..header.len() {
        let part = ProxyHeader::parse(&header[..length]);
        assert_eq!(part, Ok(None), "{length} of {:?}", header.escape_ascii());
    }
    let alone = ProxyHeader::parse(header).unwrap().unwrap();
    assert_eq!(alone.length, header.len());
    let followed = [header, b"PROXY is what the peer says\r\n"].concat();
    assert_eq!(ProxyHeader::parse(&followed), Ok(Some(alone)));
    alone
}

fn ends(header: &[u8]) -> (Option<SocketAddr>, Option<SocketAddr>) {
    let header = whole(header);
    (header.source, header.destination)
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2_BEGIN, &[command, family][..], &length, rest].concat()
}

const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 0, 7];

#[test]
fn version_1_names_both_ends() {
    assert_eq!(
        ends(b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 7\r\n"),
        (address("192.0.2.1:40000"), address("198.51.100.2:7"))
    );
    assert_eq!(
        ends(b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"),
        (address("[2001:db8::1]:0"), address("[::1]:65535"))
    );
    // The longest one, section 2.1.
    let most = "ffff:".repeat(7) + "ffff";
    let longest = format!("PROXY UNKNOWN {most} {most} 65535 65535\r\n");
    assert_eq!(longest.len(), V1_MAX);
    assert_eq!(ends(longest.as_bytes()), (None, None));
}

#[test]
fn version_1_may_know_nothing() {
    for header in [
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN \u{1F47D} x\r\n",
    ] {
        assert_eq!(ends(header.as_bytes()), (None, None));
    }
}

#[test]
fn version_1_is_strict() {
    for text in [
        "TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
        "TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "TCP4 192.0.2.1 192.0.2.2 1 \r\n",
        "TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "TCP4 192.0.2 192.0.2.2 1 2\r\n",
        "TCP4 ::1 ::1 1 2\r\n",
        "TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "TCP6 fe80::1%1 ::1 1 2\r\n",
        "UNKNOWNS\r\n",
        "UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "\r\n",
        "TCP4\t192.0.2.1 192.0.2.2 1 2\r\n",
    ] {
        let parsed = ProxyHeader::parse(format!("PROXY {text}").as_bytes());
        assert_eq!(parsed, Err(ProxyHeaderError::Malformed), "{text:?}");
    }
}

#[test]
fn version_1_has_an_end() {
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(V1_MAX));
    assert_eq!(
        ProxyHeader::parse(&endless.as_bytes()[..V1_MAX - 1]),
        Ok(None)
    );
    // The last byte of the longest one would be the `\n`.
    for length in V1_MAX..endless.len() {
        let parsed = ProxyHeader::parse(&endless.as_bytes()[..length]);
        assert_eq!(parsed, Err(ProxyHeaderError::Malformed), "{length}");
    }
}

#[test]
fn version_2_names_both_ends() {
    let expected = (address("192.0.2.1:40000"), address("198.51.100.2:7"));
    assert_eq!(ends(&v2(0x21, 0x11, &IPV4)), expected);
    let extended = [&IPV4[..], &[0x04, 0, 1, 0xff]].concat();
    assert_eq!(ends(&v2(0x21, 0x11, &extended)), expected);

    let mut rest = [0; 36];
    rest[15] = 1;
    rest[31] = 2;
    rest[33] = 3;
    rest[35] = 4;
    assert_eq!(
        ends(&v2(0x21, 0x21, &rest)),
        (address("[::1]:3"), address("[::2]:4"))
    );
}

#[test]
fn version_2_may_be_of_the_relay_itself() {
    // Whatever else it holds, section 2.2.
    for family in [0x00, 0x11, 0x77] {
        for rest in [&b""[..], &IPV4, &[0; 300]] {
            let header = whole(&v2(0x20, family, rest));
            assert!(header.local);
            assert_eq!((header.source, header.destination), (None, None));
        }
    }
    assert!(!whole(&v2(0x21, 0x11, &IPV4)).local);
}

#[test]
fn version_2_of_other_families_names_nobody() {
    for (family, least) in [(0x00, 0), (0x12, 12), (0x22, 36), (0x31, 216), (0x32, 216)] {
        let rest = [1; 300];
        assert_eq!(ends(&v2(0x21, family, &rest)), (None, None));
        assert_eq!(ends(&v2(0x21, family, &rest[..least])), (None, None));
    }
}

#[test]
fn version_2_is_strict() {
    let malformed = |header: &[u8]| {
        let parsed = ProxyHeader::parse(header);
        assert_eq!(parsed, Err(ProxyHeaderError::Malformed), "{header:x?}");
    };
    for command in (0..=255).filter(|command| ![0x20, 0x21].contains(command)) {
        // It is wrong as soon as it is seen.
        malformed(&v2(command, 0x11, &IPV4)[..13]);
    }
    for family in (0..=255).filter(|it| ![0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32].contains(it)) {
        malformed(&v2(0x21, family, &IPV4)[..14]);
    }
    for (family, least) in [(0x11, 12), (0x12, 12), (0x21, 36), (0x22, 36), (0x31, 216)] {
        malformed(&v2(0x21, family, &[0; 300][..least - 1])[..V2_FIXED]);
    }
}

#[test]
fn the_longest_header_of_version_2_is_taken() {
    let rest = [0; 65_535];
    let header = v2(0x21, 0x11, &rest);
    assert_eq!(ProxyHeader::parse(&header[..header.len() - 1]), Ok(None));
    let parsed = ProxyHeader::parse(&header).unwrap().unwrap();
    assert_eq!(parsed.length, 65_551);
}

#[test]
fn other_bytes_are_no_header() {
    for bytes in [
        &b"hello\n"[..],
        b"PROXYTCP4",
        b"proxy ",
        b"\r\n\r\n\r\n",
        b"\n",
        b"\0",
    ] {
        let error = ProxyHeader::parse(bytes).unwrap_err();
        assert_eq!(error, ProxyHeaderError::Missing);
        assert_eq!(format!("{error}"), "no PROXY header");
    }
    assert_eq!(ProxyHeader::parse(b""), Ok(None));
}
