//! The core cannot panic: proven by linking it, on this machine, with the stable toolchain.

use linecho_tests::firmware::core_alone::{Content, Proof, host, prove};
use linecho_trials::{Stop, Trial, trials};

pub(crate) fn trials() -> Vec<Trial> {
    trials![no_panic_can_be_reached_in_the_core, the_proof_finds_a_panic]
}

fn no_panic_can_be_reached_in_the_core() -> Result<(), Stop> {
    let proof = prove(&host()?, Content::Everything)?;
    if let Proof::CanPanic(culprits) = proof {
        panic!("the core can panic, through {culprits:?}");
    }
    Ok(())
}

/// The negative control: a proof that finds no panic in this one finds none at all.
fn the_proof_finds_a_panic() -> Result<(), Stop> {
    match prove(&host()?, Content::Control)? {
        Proof::CanPanic(culprits) => {
            let bounds_check = culprits
                .iter()
                .any(|name| name.contains("panic_bounds_check"));
            assert!(bounds_check, "{culprits:?}");
        }
        Proof::PanicFree(image) => panic!("{} links", image.display()),
    }
    Ok(())
}
