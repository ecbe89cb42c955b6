//! Priority tags: IEEE 802.1Q tags with the VLAN number 0, which give a frame a priority and no
//! VLAN.
//!
//! A host takes such a frame as if it had no tag (IEEE 802.1Q, 6.9.1). smoltcp 0.14 knows no tags.

const ADDRESSES_LEN: usize = 12;
const TAG_LEN: usize = 4;

/// Moves the addresses of a frame over its priority tag, if it has one, and returns the number of
/// bytes that the frame is shorter at its beginning: 0 or 4.
pub(crate) fn strip_priority_tag(frame: &mut [u8]) -> usize {
    match frame.get(ADDRESSES_LEN..ADDRESSES_LEN + TAG_LEN) {
        Some(&[0x81, 0x00, priority, 0]) if priority & 0x0f == 0 => {
            frame.copy_within(..ADDRESSES_LEN, TAG_LEN);
            TAG_LEN
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: &[u8]) -> Vec<u8> {
        let addresses: Vec<u8> = (1..=12).collect();
        [&addresses, tag, &[8, 0, 0x45, 0]].concat()
    }

    #[test]
    fn only_the_tag_of_vlan_0_goes() {
        for tag in [[0x81, 0, 0, 0], [0x81, 0, 0xf0, 0]] {
            let mut tagged = frame(&tag);
            let start = strip_priority_tag(&mut tagged);
            assert_eq!(tagged[start..], frame(&[]));
        }
        let vlan_1 = frame(&[0x81, 0, 0, 1]);
        let vlan_256 = frame(&[0x81, 0, 1, 0]);
        let cut = frame(&[0x81, 0, 0])[..15].to_vec();
        for original in [frame(&[]), vlan_1, vlan_256, cut, vec![]] {
            let mut frame = original.clone();
            assert_eq!(strip_priority_tag(&mut frame), 0);
            assert_eq!(frame, original);
        }
    }
}
