//! Frames of hostile peers.

use arbitrary::Unstructured;

use super::world::World;
use super::{HONEST, PORT, SERVER, Server, hardware, ipv4, ipv6};
use crate::wire::{Tcp, ethernet, extension, ipv4 as put_ipv4, ipv6 as put_ipv6, mend};

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

const SYN: u8 = 2;
const ACK: u8 = 16;

/// The window of the honest connection is far smaller: numbers so far away are out of it.
const FAR: u32 = 1 << 17;

/// The harm that a frame may do to the honest connection.
pub(super) enum Poses {
    /// None, if the listener keeps its promises.
    Harmless,
    /// To be found out from its bytes.
    Unknown,
}

/// Opens a connection of a hostile peer.
pub(super) fn open<L: Server>(world: &mut World<L>, peer: u8) {
    let segment = |flags, seq, ack| {
        let tcp = Tcp {
            ports: [1, PORT],
            seq,
            ack,
            flags,
            window: 1000,
            options: &[],
            payload: &[],
        };
        let mut frame = ethernet(hardware(SERVER), hardware(peer), IPV4);
        put_ipv4(
            &mut frame,
            [ipv4(peer), ipv4(SERVER)],
            6,
            0,
            &[],
            &tcp.bytes(),
        );
        mend(&mut frame);
        frame
    };
    world.put(segment(SYN, 99, 0));
    let Some(seen) = world.seen_by(peer, 1) else {
        return;
    };
    let ack = seen.end;
    world.put(segment(ACK, 100, ack));
}

/// Makes the frame that the input says.
pub(super) fn frame<L: Server>(
    world: &World<L>,
    step: u8,
    input: &mut Unstructured<'_>,
) -> arbitrary::Result<(Vec<u8>, Poses)> {
    match step >> 4 {
        3 => arp(input),
        4 => icmp(input),
        5 => neighbour(input),
        6 => other(input),
        7 => replay(world, input),
        8 => raw(input),
        _ => segment(world, input),
    }
}

/// A host on the link, or the server itself.
fn host(input: &mut Unstructured<'_>) -> arbitrary::Result<u8> {
    Ok(1 + input.arbitrary::<u8>()? % 8)
}

fn payload<'a>(input: &mut Unstructured<'a>, most: usize) -> arbitrary::Result<&'a [u8]> {
    let len = usize::from(input.arbitrary::<u8>()?).min(most);
    input.bytes(len.min(input.len()))
}

fn addresses_v4(from: u8, kind: u8) -> [[u8; 4]; 2] {
    let from = match kind & 0x70 {
        0x10 => [255; 4],
        0x20 => [224, 0, 0, 1],
        0x30 => [0; 4],
        0x40 => [8, 8, 8, from],
        _ => ipv4(from),
    };
    let to = match kind & 7 {
        1 => [10, 0, 0, 255],
        2 => [224, 0, 0, 1],
        3 => [10, 0, 0, 77],
        _ => ipv4(SERVER),
    };
    [from, to]
}

fn addresses_v6(from: u8, kind: u8) -> [[u8; 16]; 2] {
    let link_local = |host| {
        let mut address = [0; 16];
        (address[0], address[1], address[15]) = (0xfe, 0x80, host);
        address
    };
    let all_nodes = {
        let mut address = link_local(1);
        (address[0], address[1]) = (0xff, 0x02);
        address
    };
    let from = match kind & 0x70 {
        0x10 => all_nodes,
        0x20 => link_local(from),
        0x30 => [0; 16],
        0x40 => [0x20; 16],
        _ => ipv6(from),
    };
    let solicited = {
        let mut address = all_nodes;
        address[11..].copy_from_slice(&[1, 0xff, 0, 0, SERVER]);
        address
    };
    let to = match kind & 7 {
        1 => all_nodes,
        2 => solicited,
        3 => ipv6(77),
        _ => ipv6(SERVER),
    };
    [from, to]
}

/// Puts a payload into a packet. `kind` says which; many are plain ones between the two hosts.
fn packet(
    input: &mut Unstructured<'_>,
    from: u8,
    kind: u8,
    protocol: u8,
    payload: &[u8],
) -> arbitrary::Result<Vec<u8>> {
    let to = match kind & 7 {
        1 => [0xff; 6],
        2 => [0x33, 0x33, 0, 0, 0, 1],
        _ => hardware(SERVER),
    };
    if kind & 0x80 == 0 {
        let mut frame = ethernet(to, hardware(from), IPV4);
        let (mut fragment, mut options) = (0, &[][..]);
        if kind & 8 != 0 {
            fragment = input.arbitrary()?;
            options = self::payload(input, 40)?;
        }
        let addresses = addresses_v4(from, kind);
        put_ipv4(&mut frame, addresses, protocol, fragment, options, payload);
        return Ok(frame);
    }
    let mut frame = ethernet(to, hardware(from), IPV6);
    let (mut extensions, mut hop_limit) = (vec![], 255);
    if kind & 8 != 0 {
        hop_limit = input.arbitrary()?;
        for _ in 0..input.arbitrary::<u8>()? % 4 {
            extensions.push((extension(input.arbitrary()?), input.arbitrary()?));
        }
    }
    let addresses = addresses_v6(from, kind);
    put_ipv6(
        &mut frame,
        addresses,
        protocol,
        hop_limit,
        &extensions,
        payload,
    );
    Ok(frame)
}

/// A TCP segment: of a hostile peer, or in the honest peer's name.
fn segment<L: Server>(
    world: &World<L>,
    input: &mut Unstructured<'_>,
) -> arbitrary::Result<(Vec<u8>, Poses)> {
    let from = host(input)?;
    let kind: u8 = input.arbitrary()?;
    let is_honest = from == HONEST;
    // Where the numbers come from, and whether there are options.
    let numbers: u8 = input.arbitrary()?;
    let flags: u8 = input.arbitrary()?;
    let ports = match numbers >> 6 {
        _ if is_honest && numbers >> 6 != 3 => [world.honest.port, PORT],
        0 | 1 => [1, PORT],
        2 => [2, PORT],
        _ => [input.arbitrary()?, input.arbitrary()?],
    };
    let known = world.seen_by(from, ports[0]);
    let (their_next, our_next) = known.map_or((100, 0), |it| (it.ack, it.end));
    let blind = is_honest && !world.shape.knows();
    let seq = match numbers & 3 {
        _ if blind => {
            let offset: u32 = input.arbitrary()?;
            world
                .honest_end
                .wrapping_add(FAR + offset % (u32::MAX - 2 * FAR))
        }
        0 | 1 => their_next,
        2 => their_next.wrapping_add_signed(i32::from(input.arbitrary::<i16>()?)),
        _ => input.arbitrary()?,
    };
    let ack = match numbers >> 2 & 3 {
        0 | 1 => our_next,
        2 => our_next.wrapping_add_signed(i32::from(input.arbitrary::<i8>()?)),
        _ => input.arbitrary()?,
    };
    let window = if numbers & 0x10 == 0 {
        1000
    } else {
        input.arbitrary()?
    };
    let options = if numbers & 0x20 == 0 {
        &[][..]
    } else {
        payload(input, 40)?
    };
    // Data comes with most segments that are no more than an acknowledgement.
    let data = if flags & 0x0f == 8 || numbers & 0x20 != 0 {
        payload(input, 300)?
    } else {
        &[][..]
    };
    let tcp = Tcp {
        ports,
        seq,
        ack,
        flags: flags & 0x3f,
        window,
        options,
        payload: data,
    };
    let mut frame = packet(input, from, kind, 6, &tcp.bytes())?;
    mend(&mut frame);
    let poses = if blind {
        Poses::Harmless
    } else {
        Poses::Unknown
    };
    Ok((frame, poses))
}

fn arp(input: &mut Unstructured<'_>) -> arbitrary::Result<(Vec<u8>, Poses)> {
    let (from, operation) = (host(input)?, input.arbitrary::<u8>()?);
    let (sender, target) = (host(input)?, host(input)?);
    let to = if operation & 4 == 0 {
        [0xff; 6]
    } else {
        hardware(SERVER)
    };
    let mut frame = ethernet(to, hardware(from), ARP);
    frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1 + (operation & 3)]);
    frame.extend_from_slice(&hardware(if operation & 8 == 0 { from } else { sender }));
    frame.extend_from_slice(&if operation & 16 == 0 {
        ipv4(sender)
    } else {
        [0; 4]
    });
    frame.extend_from_slice(&hardware(target));
    frame.extend_from_slice(&ipv4(target));
    Ok((frame, Poses::Unknown))
}

/// ICMP of any type, also an error about a segment of the honest connection.
fn icmp(input: &mut Unstructured<'_>) -> arbitrary::Result<(Vec<u8>, Poses)> {
    let (from, kind) = (host(input)?, input.arbitrary::<u8>()?);
    let mut body = vec![input.arbitrary()?, input.arbitrary()?, 0, 0];
    body.extend_from_slice(payload(input, 200)?);
    let protocol = if kind & 0x80 == 0 { 1 } else { 58 };
    let mut frame = packet(input, from, kind, protocol, &body)?;
    mend(&mut frame);
    Ok((frame, Poses::Unknown))
}

/// Neighbour and router discovery of IPv6.
fn neighbour(input: &mut Unstructured<'_>) -> arbitrary::Result<(Vec<u8>, Poses)> {
    let (from, kind) = (host(input)?, input.arbitrary::<u8>()?);
    let mut body = vec![133 + input.arbitrary::<u8>()? % 5, 0, 0, 0];
    body.extend_from_slice(&[input.arbitrary()?, 0, 0, 0]);
    let target = host(input)?;
    body.extend_from_slice(&ipv6(target));
    let option: u8 = input.arbitrary()?;
    if option & 1 != 0 {
        let length = if option & 2 == 0 { 1 } else { option >> 2 };
        body.extend_from_slice(&[1 + (option >> 1 & 1), length]);
        body.extend_from_slice(&hardware(from));
    }
    body.extend_from_slice(payload(input, 64)?);
    let mut frame = packet(input, from, kind | 0x80, 58, &body)?;
    mend(&mut frame);
    Ok((frame, Poses::Unknown))
}

/// UDP, IGMP, and protocols that nobody knows.
fn other(input: &mut Unstructured<'_>) -> arbitrary::Result<(Vec<u8>, Poses)> {
    let (from, kind) = (host(input)?, input.arbitrary::<u8>()?);
    let protocol = match input.arbitrary::<u8>()? {
        known @ 0..=127 => [17, 2, 4, 41, 50, 59, 0, 255][usize::from(known % 8)],
        any => any,
    };
    let bytes = payload(input, 200)?;
    let mut frame = packet(input, from, kind, protocol, bytes)?;
    mend(&mut frame);
    Ok((frame, Poses::Unknown))
}

/// A frame of the honest peer or of the server once more, as it was or changed.
fn replay<L: Server>(
    world: &World<L>,
    input: &mut Unstructured<'_>,
) -> arbitrary::Result<(Vec<u8>, Poses)> {
    let which: u8 = input.arbitrary()?;
    let count = world.captured.len().max(1);
    let Some(mut frame) = world.captured.get(usize::from(which) % count).cloned() else {
        return raw(input);
    };
    let changes = input.arbitrary::<u8>()? % 4;
    for _ in 0..changes {
        let (at, value): (u8, u8) = (input.arbitrary()?, input.arbitrary()?);
        let at = usize::from(at) % frame.len();
        frame[at] = value;
    }
    if which & 0x40 != 0 {
        let len = usize::from(input.arbitrary::<u8>()?) % frame.len();
        frame.truncate(len);
    }
    if which & 0x80 == 0 {
        mend(&mut frame);
    }
    // TCP bears it when the network delivers something twice.
    let same = world.captured.contains(&frame);
    let poses = if same {
        Poses::Harmless
    } else {
        Poses::Unknown
    };
    Ok((frame, poses))
}

fn raw(input: &mut Unstructured<'_>) -> arbitrary::Result<(Vec<u8>, Poses)> {
    let shape: u8 = input.arbitrary()?;
    let mut frame = match shape & 3 {
        0 => vec![],
        1 => ethernet(hardware(SERVER), hardware(3), IPV4),
        2 => ethernet(hardware(SERVER), hardware(3), IPV6),
        _ => ethernet([0xff; 6], hardware(3), input.arbitrary()?),
    };
    frame.extend_from_slice(payload(input, 255)?);
    if shape & 4 != 0 {
        mend(&mut frame);
    }
    Ok((frame, Poses::Unknown))
}

/// Returns true if nobody can promise that the honest connection outlives this frame: it claims
/// another hardware address for the honest peer, or is a segment in its name that may have the
/// right numbers.
pub(super) fn may_harm(frame: &[u8]) -> bool {
    let is_at = |at: usize, bytes: &[u8]| frame.get(at..at + bytes.len()) == Some(bytes);
    let (v4, v6) = (&ipv4(HONEST)[..], &ipv6(HONEST)[..]);
    match frame.get(12..14) {
        Some([0x08, 0x06]) => is_at(28, v4) && !is_at(22, &hardware(HONEST)),
        Some([0x08, 0x00]) => is_at(26, v4) && is_at(23, &[6]),
        Some([0x86, 0xdd]) => {
            let is_plain_icmp = is_at(20, &[58]) && !matches!(frame.get(54), Some(133..=137));
            let names = |part: &[u8]| part.windows(16).any(|it| it == v6);
            let is_segment = is_at(22, v6) && !is_plain_icmp && !is_at(20, &[17]);
            is_segment || (!is_plain_icmp && frame.get(38..).is_some_and(names))
        }
        _ => false,
    }
}
