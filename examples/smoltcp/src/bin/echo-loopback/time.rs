//! The clock of the stack.

use linecho_devices::FaultyLoopback;
use linecho_smoltcp::smoltcp::phy::Loopback;
use linecho_smoltcp::{Instant, Wake, from_stack_time};

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
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Virtual(Instant);

impl Time<FaultyLoopback> for Virtual {
    fn now(&self) -> Instant {
        self.0
    }

    fn pass(&mut self, wake: Wake, link: &FaultyLoopback) {
        let deadline = match wake {
            Wake::Again => return,
            Wake::At(at) => Some(at),
            Wake::Frame => None,
        };
        let arrival = link.next_arrival().map(from_stack_time);
        // Where nothing will ever happen, time goes by all the same, and somebody loses patience.
        let next = [deadline, arrival].into_iter().flatten().min();
        self.0 = self.0.max(next.unwrap_or(self.0 + SECOND));
    }
}

const SECOND: core::time::Duration = core::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use linecho_devices::faulty::Faults;
    use linecho_smoltcp::smoltcp::phy::{Device, Medium, TxToken};
    use linecho_smoltcp::stack_time;

    #[test]
    fn it_jumps_to_what_comes_first() {
        let faults = Faults {
            delay: Duration::from_millis(20),
            ..Faults::NONE
        };
        let mut link = FaultyLoopback::new(Medium::Ip, 1500, 1, faults);
        let mut time = Virtual::default();
        time.pass(Wake::Again, &link);
        assert_eq!(time.now(), Instant::ZERO);
        time.pass(Wake::Frame, &link);
        assert_eq!(time.now(), Instant::from_millis(1000));
        let token = link.transmit(stack_time(time.now()));
        token.expect("the link takes all").consume(1, |_| ());
        time.pass(Wake::At(time.now() + Duration::from_millis(5)), &link);
        assert_eq!(time.now(), Instant::from_millis(1005));
        time.pass(Wake::At(time.now() + SECOND), &link);
        assert_eq!(time.now(), Instant::from_millis(1020));
    }
}
