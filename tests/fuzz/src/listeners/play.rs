//! The steps of an input, and the end of all of them.

use core::time::Duration;

use arbitrary::Unstructured;

use super::Server;
use super::hostile::{self, Poses};
use super::world::World;

/// Steps of one input: more make it slow, and say nothing new.
const STEPS: usize = 100;

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
    world.finish();
    world.check_totals();
}

fn step<L: Server>(world: &mut World<L>, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    match input.arbitrary::<u8>()? {
        // Time: a millisecond to 33 s. A device that takes no frame for long makes the honest
        // peer a dead one.
        step @ 0..=15 => {
            let longest = if world.device.full { 6 } else { 15 };
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
            world.device.rx.borrow_mut().push_back(frame);
            // Sometimes several frames come at once.
            if step % 4 != 0 {
                world.turn();
            }
        }
    }
    Ok(())
}
