//! The core cannot panic: proven by linking it, on this machine, with the stable toolchain.

use linecho_tests::firmware::core_alone::{Content, Proof, host, prove};

#[test]
fn no_panic_can_be_reached_in_the_core() {
    let proof = prove(&host().unwrap(), Content::Everything).unwrap();
    if let Proof::CanPanic(culprits) = proof {
        panic!("the core can panic, through {culprits:?}");
    }
}

/// The negative control: a proof that finds no panic in this one finds none at all.
#[test]
fn the_proof_finds_a_panic() {
    match prove(&host().unwrap(), Content::Control).unwrap() {
        Proof::CanPanic(culprits) => {
            let bounds_check = culprits
                .iter()
                .any(|name| name.contains("panic_bounds_check"));
            assert!(bounds_check, "{culprits:?}");
        }
        Proof::PanicFree(image) => panic!("{} links", image.display()),
    }
}
