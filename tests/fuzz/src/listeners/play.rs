//! The steps of an input, and the end of all of them.

use core::time::Duration;

use arbitrary::Unstructured;

use super::Server;
use super::hostile::{self, Poses};
use super::world::World;

/// Steps of one input: more make it slow, and say nothing new.
const STEPS: usize = 48;
/// The longest time that a step lets go by, as a power of two of milliseconds: more than a silent
/// peer has.
const LONGEST: u8 = 13;
/// The same while the device is full: more would make the honest peer a dead one.
const LONGEST_FULL: u8 = 4;

/// Plays all that the input says, and then checks that nothing was lost.
pub(super) fn play<L: Server>(mut world: World<L>, input: &mut Unstructured<'_>) {
    for number in 0..world.shape.before() {
        hostile::open(&mut world, 3 + number);
    }
    world.connect();
    for _ in 0..STEPS {
        if input.is_empty() || step(&mut world, input).is_err() {
            break;
        }
    }
    world.device.full = false;
    world.finish();
    world.connect();
    world.leave();
    world.check_totals();
}

fn step<L: Server>(world: &mut World<L>, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    match input.arbitrary::<u8>()? {
        // Time: a millisecond to 8 s.
        step @ 0..=15 => {
            let longest = if world.device.full {
                LONGEST_FULL
            } else {
                LONGEST
            };
            world.pass(Duration::from_millis(1 << step.min(longest)));
            world.device.full = false;
        }
        step @ 16..=31 => {
            let mut line = vec![step; usize::from(step - 16) * 4];
            line.push(b'\n');
            world.honest.say(&line);
            world.turn();
        }
        32 => world.device.full = true,
        33..=35 => world.device.full = false,
        36..=47 => world.turn(),
        step => {
            let (frame, poses) = hostile::frame(world, step, input)?;
            let harms = match poses {
                Poses::Harmless => false,
                Poses::Unknown => hostile::may_harm(&frame),
            };
            world.is_exact &= !harms;
            world.device.put(frame);
            // Sometimes several frames come at once.
            if step % 4 != 0 {
                world.turn();
            }
        }
    }
    Ok(())
}
