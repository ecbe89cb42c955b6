use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use smoltcp::phy::Medium;

use super::*;
use crate::segment::Segment;

/// A flow for each number.
fn flow(number: u16) -> Flow {
    let [high, low] = number.to_be_bytes();
    let mut packet = [0; 40];
    (packet[0], packet[3], packet[9]) = (0x45, 40, 6);
    packet[12..24].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1, high, low, 0, 7]);
    packet[32] = 5 << 4;
    Segment::parse(&packet, Medium::Ip).unwrap().flow
}

/// Numbers without a pattern (xorshift).
fn random() -> impl FnMut(u32) -> u32 {
    let mut state = 0x2545_f491u32;
    move |below| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    }
}

/// Takes what is queued; of a queue that does not end, one number more than there are slots.
fn drained(queue: &mut Queue, table: &mut Table<'_>) -> Vec<u32> {
    let most = table.slots.len() + 1;
    let next = || queue.pop(table.slots);
    core::iter::from_fn(next).take(most).collect()
}

fn slots(n: usize) -> Vec<HashedSlot<'static>> {
    (0..n).map(|_| HashedSlot::default()).collect()
}

#[test]
fn flows_are_found_as_in_a_map() {
    let mut random = random();
    let mut table = Table::new(slots(50).leak(), 3);
    (0..50).for_each(|number| table.put_free(number));
    let mut map = BTreeMap::new();
    for _ in 0..20_000 {
        let key = random(80) as u16;
        match map.get(&key).copied() {
            None => {
                if let Some(number) = table.take_free() {
                    table.insert(number, flow(key));
                    map.insert(key, number);
                } else {
                    assert_eq!(map.len(), 50);
                }
            }
            Some(number) => {
                assert!(table.remove(number));
                assert!(!table.remove(number), "it is in no bucket any more");
                table.put_free(number);
                map.remove(&key);
            }
        }
        assert_eq!(table.free_len, 50 - map.len());
        let key = random(80) as u16;
        assert_eq!(table.find(&flow(key)), map.get(&key).copied());
    }
}

#[test]
fn slots_are_due_as_in_a_list() {
    let mut random = random();
    let mut table = Table::new(slots(200).leak(), 3);
    let mut dues: Vec<Option<u64>> = std::vec![None; 200];
    let mut work = Queue::WORK;
    for now in 0..5000 {
        for _ in 0..random(4) {
            let number = random(200);
            let due = (random(5) > 0).then(|| now + u64::from(random(300)));
            table.set_due(number, due.map(Instant::from_millis));
            dues[number as usize] = due;
        }
        let earliest = dues
            .iter()
            .flatten()
            .min()
            .copied()
            .map(Instant::from_millis);
        match (table.earliest(), earliest) {
            (Some(noted), Some(earliest)) => assert!(noted <= earliest),
            (noted, earliest) => assert!(earliest.is_none(), "{noted:?}"),
        }
        table.queue_due(Instant::from_millis(now), &mut work);
        let mut expected = Vec::new();
        for (number, due) in dues.iter_mut().enumerate() {
            if due.is_some_and(|due| due <= now) {
                *due = None;
                expected.push(number as u32);
            }
        }
        assert_eq!(drained(&mut work, &mut table), expected);
    }
    // Until now a lower bound was enough. Once all that is due has been queued, it is exact.
    table.queue_due(Instant::from_millis(10_000), &mut work);
    assert_eq!(table.earliest(), None);
}

#[test]
fn queues_keep_the_order_and_take_each_slot_once() {
    let mut random = random();
    let slots = slots(20).leak();
    let (mut work, mut waiting) = (Queue::WORK, Queue::WAITING);
    let mut oracles: [VecDeque<u32>; 2] = Default::default();
    for _ in 0..10_000 {
        let which = random(2) as usize;
        let queue = if which == 0 { &mut work } else { &mut waiting };
        let oracle = &mut oracles[which];
        if random(2) == 0 {
            let number = random(20);
            queue.push(slots, number);
            if !oracle.contains(&number) {
                oracle.push_back(number);
            }
        } else {
            assert_eq!(queue.pop(slots), oracle.pop_front());
        }
        assert_eq!(queue.is_empty(), oracle.is_empty());
    }
}

#[test]
fn flows_spread_over_the_buckets() {
    let mut table = Table::new(slots(256).leak(), 3);
    for number in 0..256 {
        table.insert(number, flow(number as u16));
    }
    let used = table.slots.iter().filter(|slot| slot.bucket != NONE);
    // A fair hash leaves one in e of them empty.
    assert!(used.count() > 128);
}
