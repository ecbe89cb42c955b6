//! The echo of embassy-net on Linux, over a TAP device, for the host to talk to:
//!
//! ```sh
//! sudo ip tuntap add dev echo0 mode tap user $USER
//! sudo ip addr add 10.0.7.1/24 dev echo0 && sudo ip link set echo0 up
//! cargo run --release -p linecho-embassy --features tap --target x86_64-unknown-linux-gnu -- echo0
//! printf 'x\ny' | nc -N 10.0.7.2 7
//! ```

use std::process::exit;

use embassy_executor::{Executor, Spawner};
use embassy_net::{
    Config, IpEndpoint, Ipv4Address, Ipv4Cidr, Runner, StackResources, StaticConfigV4,
};
use embassy_net_tuntap::TunTapDevice;
use linecho_core::{Counters, Reason};
use linecho_embassy::{CONNECTIONS, PORT, echo};
use static_cell::StaticCell;

const ADDRESS: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(10, 0, 7, 2), 24);

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        eprintln!("usage: tap DEVICE");
        exit(2);
    };
    let device = TunTapDevice::new(&name).unwrap_or_else(|error| {
        eprintln!("tap: cannot open the TAP device {name}: {error}");
        exit(1);
    });
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR
        .init(Executor::new())
        .run(|spawner| start(spawner, device));
}

fn start(spawner: Spawner, device: TunTapDevice) {
    static RESOURCES: StaticCell<StackResources<CONNECTIONS>> = StaticCell::new();
    let config = Config::ipv4_static(StaticConfigV4 {
        address: ADDRESS,
        gateway: None,
        dns_servers: Default::default(),
    });
    let seed = u64::from(std::process::id());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(device, config, resources, seed);
    spawner.spawn(network(runner).unwrap());
    for _ in 0..CONNECTIONS {
        spawner.spawn(echo(stack, log).unwrap());
    }
    println!("READY {}:{PORT}", ADDRESS.address());
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, TunTapDevice>) -> ! {
    runner.run().await
}

fn log(peer: Option<IpEndpoint>, reason: Reason, counters: Counters) {
    let peer = peer.map_or_else(|| "?".to_owned(), |peer| peer.to_string());
    println!(
        "{peer} closed: {reason}, {} bytes in, {} bytes out",
        counters.bytes_in, counters.bytes_out
    );
}
