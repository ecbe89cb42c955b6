#!/bin/sh
# tokio-util: LinesCodec drops a line that is too long and would go on with the next, but a Framed over
# it returns None after the error, as it does at the end of the input: `while let Some(..)` stops there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'END'
[package]
name = "finding"
edition = "2024"
[dependencies]
futures-util = { version = "=0.3.34", default-features = false }
tokio = { version = "=1.54.1", features = ["macros", "rt"] }
tokio-util = { version = "=0.7.17", features = ["codec"] }
END
cat > src/main.rs <<'END'
use futures_util::StreamExt;
use tokio_util::codec::{FramedRead, LinesCodec};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let input: &[u8] = b"one\nmuch too long\ntwo\nthree\n";
    let mut lines = FramedRead::new(input, LinesCodec::new_with_max_length(5));
    let mut seen = String::new();
    for _ in 0..7 {
        seen += &match lines.next().await {
            Some(Ok(line)) => format!("{line}, "),
            Some(Err(error)) => format!("error ({error}), "),
            None => "None, ".to_owned(),
        };
    }
    println!("{seen}");
    let expected = "one, error (max line length exceeded), None, two, three, None, None, ";
    std::process::exit(i32::from(seen != expected));
}
END
echo "tokio-util 0.7.17"
cargo run --quiet
