//! Headers of the PROXY protocol.

use linecho_std::ProxyHeader;

/// The longest header, in bytes: a version 2 one.
const LONGEST: usize = 16 + 65_535;

/// Parses `input` as the beginning of a connection, as it grows.
pub fn proxy_header(input: &[u8]) {
    let whole = ProxyHeader::parse(input);
    if let Ok(Some(header)) = whole {
        assert!((8..=input.len().min(LONGEST)).contains(&header.length));
        assert_eq!(header.source.is_some(), header.destination.is_some());
        assert!(!header.local || header.source.is_none());
    }
    // Bytes that are still to come change no verdict, and all that come sooner leave it open.
    for length in 0..input.len().min(300) {
        match ProxyHeader::parse(&input[..length]) {
            Ok(None) => {}
            verdict => {
                if let Ok(Some(header)) = verdict {
                    assert_eq!(header.length, length, "found late");
                }
                assert_eq!(verdict, whole, "after {length} bytes");
                return;
            }
        }
    }
    assert!(input.len() > 300 || whole.is_ok() || !input.is_empty());
}
