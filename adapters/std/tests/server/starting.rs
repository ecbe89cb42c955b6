//! Starts of a server, and the errors that tell that it cannot.

use std::net::TcpListener;

use crate::running::Running;
#[cfg(unix)]
use crate::running::run_alone;
use linecho_std::{Server, StartError};

#[test]
fn without_an_address_there_is_no_server() {
    let error = Server::builder().listen([]).err();
    assert!(matches!(error, Some(StartError::NoListener)), "{error:?}");
    let error = Server::builder().on(Vec::<TcpListener>::new()).err();
    assert!(matches!(error, Some(StartError::NoListener)), "{error:?}");
}

#[test]
fn a_taken_address_is_named() {
    let server = Running::start(Server::builder());
    let free = "127.0.0.1:0".parse().unwrap();
    match Server::builder().listen([free, server.address]).err() {
        Some(StartError::Listen(error)) => assert_eq!(error.address, server.address.into()),
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
const FEW_FILES: &str = "LINECHO_TEST_FEW_FILES";

/// The limit is set in a process of its own, since other tests need files.
#[test]
#[cfg(unix)]
fn no_address_is_blamed_for_a_lack_of_files() {
    if std::env::var_os(FEW_FILES).is_some() {
        let address = "127.0.0.1:0".parse().unwrap();
        let error = Server::builder().workers(200).listen([address]).err();
        let Some(StartError::EventLoop(cause)) = &error else {
            panic!("{error:?}");
        };
        let text = error.as_ref().unwrap().to_string();
        assert!(text.contains(&cause.to_string()), "{text}");
        assert!(!text.contains("127.0.0.1"), "{text}");
        return;
    }
    let command = ["sh", "-c", "ulimit -n 64 && exec \"$@\"", "sh"];
    let test = "starting::no_address_is_blamed_for_a_lack_of_files";
    run_alone(&command, test, FEW_FILES, "1").unwrap();
}
