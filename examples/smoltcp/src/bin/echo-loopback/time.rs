//! The clock of the stack.

use core::time::Duration;

use linecho_devices::FaultyLoopback;
use linecho_devices::faulty::VirtualClock;
use linecho_smoltcp::smoltcp::phy::Loopback;
use linecho_smoltcp::{Instant, Wake, from_stack_time, stack_time};

use linecho_examples_smoltcp::clock::Clock;

/// The clock of a run over the device `D`.
pub(crate) trait Time<D> {
    /// Returns the time.
    fn now(&self) -> Instant;

    /// Lets time go by after a turn of the stack, which is next due at `wake`.
    fn pass(&mut self, wake: Wake, device: &D);
}

/// The time of day: on the loopback device, whatever is sent has arrived.
impl Time<Loopback> for Clock {
    fn now(&self) -> Instant {
        Self::now(self)
    }

    /// The device cannot say whether a frame waits, so that the loop turns until all is done.
    fn pass(&mut self, _: Wake, _: &Loopback) {}
}

/// Time that jumps to when something happens next.
impl Time<FaultyLoopback> for VirtualClock {
    fn now(&self) -> Instant {
        from_stack_time(Self::now(self))
    }

    fn pass(&mut self, wake: Wake, link: &FaultyLoopback) {
        let now = Time::now(self);
        let due = wake.timeout(now).map(|wait| stack_time(now + wait));
        // Where nothing will ever happen, time goes by all the same, and somebody loses patience.
        // On a link without delay, all is done in one instant, however many turns that takes.
        let _ = Self::pass(self, [due, link.next_arrival()], SECOND);
    }
}

const SECOND: Duration = Duration::from_secs(1);
