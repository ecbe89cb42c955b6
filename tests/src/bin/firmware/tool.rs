//! Boots the firmware in QEMU: to talk to it, or to check it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use linecho_tests::firmware::budget::{self, Figures};
use linecho_tests::firmware::elf::Elf;
use linecho_tests::firmware::instructions::{self, Functions, Work};
use linecho_tests::firmware::toolchain::Toolchain;
use linecho_tests::firmware::{Board, Image, Machine, Problem, TARGET, checks};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Builds the firmware and boots it in QEMU, reachable on 127.0.0.1 only. Stop it with Ctrl-C.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage.
#[derive(Debug, Parser)]
struct Arguments {
    /// The board
    #[arg(long, default_value = "lm3s6965evb")]
    board: Board,
    /// Connections at a time; 13 fill the board's 64 KiB of RAM
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    slots: u8,
    /// The port on 127.0.0.1 [default: any free one]
    #[arg(long)]
    port: Option<u16>,
    /// Boots so many times, each time with round trips and streams at once, instead of staying
    #[arg(long, value_name = "TIMES", conflicts_with_all = ["port", "idle"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    cold_starts: Option<u32>,
    /// Leaves connections idle for so long, then uses them, instead of staying
    #[arg(long, value_name = "SECONDS", conflicts_with = "port")]
    idle: Option<u64>,
    /// Counts the instructions that the emulator executes for lines, a stream and a connection, and
    /// holds them against tests/budgets/firmware.json
    #[arg(long, conflicts_with_all = ["port", "idle", "cold_starts", "board", "slots"])]
    instructions: bool,
    /// Shows the functions that execute the most of them, so many of each
    #[arg(
        long,
        value_name = "FUNCTIONS",
        requires = "instructions",
        default_value_t = 0
    )]
    top: usize,
    /// Writes the figures of a check to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The connections that a check has at the same time, if there are so many slots.
const CLIENTS: u8 = 4;

pub(crate) fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("firmware: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Problem> {
    let image = Image {
        slots: arguments.slots,
        ..Image::of(arguments.board)
    };
    eprintln!("building the image {image} ...");
    let elf = image.build()?;
    if let Some(times) = arguments.cold_starts {
        cold_starts(arguments, &elf, times)
    } else if let Some(seconds) = arguments.idle {
        idle(arguments, &elf, Duration::from_secs(seconds))
    } else if arguments.instructions {
        count(arguments, &elf)
    } else {
        stay(arguments, &elf)
    }
}

fn stay(arguments: &Arguments, elf: &Path) -> Result<(), Problem> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Problem::Failed(format!("cannot catch signal {signal}: {error}")))?;
    }
    let mut machine = Machine::boot(elf, arguments.board, arguments.port)?;
    for line in machine.log() {
        println!("{line}");
    }
    println!(
        "Talk to it: nc -N 127.0.0.1 {}    Stop it: Ctrl-C",
        machine.port()
    );
    while !stop.load(Ordering::Relaxed) {
        match machine.next_line(Duration::from_millis(200)) {
            Ok(Some(line)) => println!("{line}"),
            Ok(None) => {}
            // QEMU got the same Ctrl-C.
            Err(_) if stop.load(Ordering::Relaxed) => return Ok(()),
            Err(problem) => return Err(problem),
        }
    }
    machine.stop()
}

fn cold_starts(arguments: &Arguments, elf: &Path, times: u32) -> Result<(), Problem> {
    let mut slowest = Duration::ZERO;
    for time in 1..=times {
        let ready = checks::cold_start(elf, arguments.board, arguments.slots.min(CLIENTS))
            .map_err(|problem| {
                Problem::Failed(format!("cold start {time} of {times}: {problem}"))
            })?;
        slowest = slowest.max(ready);
    }
    let board = arguments.board;
    println!("{board}: {times} of {times} cold starts passed, READY after at most {slowest:.1?}");
    write_json(
        arguments,
        &json!({ "board": board.name(), "cold_starts": times, "ready_ms_max": slowest.as_millis() as u64 }),
    )
}

fn idle(arguments: &Arguments, elf: &Path, time: Duration) -> Result<(), Problem> {
    let clients = arguments.slots.min(CLIENTS);
    let machine = Machine::boot(elf, arguments.board, None)?;
    let idle = checks::idle(&machine, clients, time)?;
    machine.stop()?;
    let (board, percent) = (arguments.board, idle.load * 100.0);
    let bound = checks::IDLE_LOAD_MAX * 100.0;
    println!(
        "{board}: {clients} connections idle for {:.0?}, all of them alive; QEMU used {percent:.2} % of a processor (bound: {bound} %)",
        idle.time
    );
    write_json(
        arguments,
        &json!({ "board": board.name(), "idle_s": idle.time.as_secs_f64(), "load": idle.load, "load_max": checks::IDLE_LOAD_MAX }),
    )?;
    if idle.load > checks::IDLE_LOAD_MAX {
        return Err(Problem::Failed(format!(
            "an idle board used more than {bound} % of a processor"
        )));
    }
    Ok(())
}

/// Slots of the second image, from which the cost of an idle slot is taken.
const MANY_SLOTS: u8 = 12;

fn count(arguments: &Arguments, path: &Path) -> Result<(), Problem> {
    let toolchain = Toolchain::for_target(TARGET)?;
    let budget = budget::read(
        concat!(env!("CARGO_MANIFEST_DIR"), "/budgets/firmware.json").as_ref(),
        toolchain.core(),
    )?;
    println!("{}, {}", toolchain.compiler()?, toolchain.core());
    let elf = Elf::read(path)?;
    let counted = |path: &Path, work| instructions::count_image(path, arguments.board, work);
    let mut figures = Figures::new();
    for work in Work::ALL {
        let measured = counted(path, work)?;
        figures.insert(work.name().to_owned(), json!(measured.each()));
        show(
            arguments,
            work.name(),
            measured.each(),
            &measured.functions(&elf),
        );
    }
    let many = Image {
        slots: MANY_SLOTS,
        ..Image::of(arguments.board)
    };
    let (many_path, more) = (many.build()?, u64::from(MANY_SLOTS - arguments.slots));
    let many_elf = Elf::read(&many_path)?;
    let (with_many, with_few) = (counted(&many_path, Work::Line)?, counted(path, Work::Line)?);
    let each = with_many.each().saturating_sub(with_few.each()) / more;
    let functions = instructions::difference(
        &with_many.functions(&many_elf),
        &with_few.functions(&elf),
        more,
    );
    show(arguments, "idle_slot", each, &functions);
    figures.insert("idle_slot".to_owned(), json!(each));
    write_json(arguments, &Value::Object(figures.clone()))?;
    budget::hold(&figures, &budget, "instructions")
}

/// Shows the functions that execute the most instructions, if that is wanted.
fn show(arguments: &Arguments, work: &str, each: u64, functions: &Functions<'_>) {
    if arguments.top > 0 {
        println!("\n{work}: {each}");
    }
    for (function, count) in functions.iter().take(arguments.top) {
        println!("  {count:8} {function}");
    }
}

fn write_json(arguments: &Arguments, figures: &Value) -> Result<(), Problem> {
    let Some(path) = &arguments.json else {
        return Ok(());
    };
    fs::write(path, format!("{figures:#}\n"))
        .map_err(|error| Problem::Failed(format!("cannot write {}: {error}", path.display())))
}
