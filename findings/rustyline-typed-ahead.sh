#!/bin/sh
# rustyline: of lines that reach the terminal in one read, as when somebody types ahead or pastes them, `readline`
# returns the first and its next calls do not see the others. With the feature `buffer-redux` all are returned.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > src/main.rs <<'END'
fn main() {
    let mut editor = rustyline::DefaultEditor::new().unwrap();
    println!("ready");
    // Everything is typed before the first prompt.
    std::thread::sleep(std::time::Duration::from_secs(2));
    while let Ok(line) = editor.readline("> ") {
        println!("\r\nreturned {line}");
    }
}
END
build() {
    cat > Cargo.toml <<END
[package]
name = "finding"
version = "0.1.0"
edition = "2021"
[dependencies]
rustyline = { version = "=19.0.0", features = [$1] }
END
    cargo build -q
}
cat > finding.py <<'END'
import os, pty, re, select, sys

child, terminal = pty.fork()
if child == 0:
    os.execv("target/debug/finding", ["finding"])
output = b""
typed = False
while select.select([terminal], [], [], 8)[0]:
    try:
        output += os.read(terminal, 4096)
    except OSError:
        break
    if not typed and b"ready" in output:
        os.write(terminal, b"one\ntwo\nthree\n")
        typed = True
os.kill(child, 9)
returned = re.findall(rb"returned (\w+)", output)
print(f"{sys.argv[1]}: typed one, two, three; returned {b', '.join(returned).decode()}")
sys.exit(len(returned) != int(sys.argv[2]))
END
build ''
cargo tree --depth 1 | tail -n 1
python3 finding.py "with default features" 1
build '"buffer-redux"'
python3 finding.py "with buffer-redux" 3
