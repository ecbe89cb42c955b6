//! Flash and RAM of the firmware, by part, and of the core alone; held against a budget.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use linecho_tests::firmware::core_alone::{self, Content, Proof};
use linecho_tests::firmware::elf::{Elf, Kind};
use linecho_tests::firmware::parts::{self, Part};
use linecho_tests::firmware::toolchain::Toolchain;
use linecho_tests::firmware::{Board, Image, Problem, TARGET, budget, checks};
use serde_json::{Map, Value, json};

/// Measures flash, RAM and stack of the firmware, and the core alone, and proves that the core
/// cannot panic. All figures are bytes.
///
/// Exit codes: 0 done and within the budget, 1 failed or over the budget, 2 wrong usage.
#[derive(Debug, Parser)]
struct Arguments {
    /// The budget: for each way to get `core`, figures by their names in the JSON output, and what
    /// each may be at most
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/budgets/sizes.json"))]
    budget: PathBuf,
    /// Builds the image with each feature that adds or leaves out something, too, and lists what it
    /// costs; then what of the listener is in each of its files
    #[arg(long)]
    features: bool,
    /// Writes the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The targets of the core alone, and how they are called in the figures.
const CORE_TARGETS: [(&str, &str); 3] = [
    ("thumbv6m-none-eabi", "core_thumbv6m"),
    (TARGET, "core_thumbv7m"),
    ("riscv32imac-unknown-none-elf", "core_riscv32imac"),
];

/// Slots of the second image, from which the cost of one slot is taken. They fill 64 KiB.
const MANY_SLOTS: u8 = 13;

pub(crate) fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("sizes: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Problem> {
    let toolchain = Toolchain::for_target(TARGET)?;
    let budget = budget::read(&arguments.budget, toolchain.core())?;
    println!("{}, {}\n", toolchain.compiler()?, toolchain.core());
    let mut figures = Map::new();
    whole_image(&mut figures)?;
    if arguments.features {
        features(&mut figures)?;
    }
    core(&mut figures)?;
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", Value::Object(figures.clone()));
        fs::write(path, text).map_err(|error| {
            Problem::Failed(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    budget::hold(&figures, &budget, "bytes")
}

fn whole_image(figures: &mut Map<String, Value>) -> Result<(), Problem> {
    let board = Board::Lm3s6965evb;
    let image = Image::of(board);
    let path = image.build()?;
    let elf = Elf::read(&path)?;
    let (flash, ram) = (parts::flash(&elf), parts::ram(&elf));
    let stack = checks::stack(&path, board, image.slots)?.used;

    println!("Whole image, {board}, {} slots\n", image.slots);
    println!("| part | flash | RAM |\n|---|---:|---:|");
    for part in Part::ALL {
        println!(
            "| {} | {} | {} |",
            part.name(),
            flash.of(part),
            ram.of(part)
        );
    }
    println!("| **all** | **{}** | **{}** |", flash.total(), ram.total());
    println!("| stack, high-water mark | | {stack} |");

    let many = Image {
        slots: MANY_SLOTS,
        ..image
    };
    let many_ram = parts::ram(&Elf::read(&many.build()?)?).total();
    let per_slot = (many_ram - ram.total()) / u64::from(MANY_SLOTS - image.slots);
    let fixed = ram.total() - per_slot * u64::from(image.slots);
    println!(
        "\nRAM without stack = {fixed} + slots × {per_slot}, of which buffers: 1460 + 2048 + 256"
    );

    for (figure, bytes) in [
        ("flash", flash.total()),
        ("data_bss", ram.total()),
        ("stack", stack),
        ("ram_fixed", fixed),
        ("ram_per_slot", per_slot),
        ("code", elf.bytes(Kind::Code)),
    ] {
        figures.insert(figure.to_owned(), json!(bytes));
    }
    for part in Part::ALL {
        figures.insert(format!("flash_{}", part.name()), json!(flash.of(part)));
        figures.insert(format!("ram_{}", part.name()), json!(ram.of(part)));
    }
    Ok(())
}

/// Features of the image, how they are called in the figures, and what they are.
const FEATURES: [(&str, &str, &str); 4] = [
    ("quiet", "without_log", "without the log"),
    (
        "linecho-smoltcp/guard",
        "with_guard",
        "with RFC 5961 and address resolution",
    ),
    (
        "panic-messages",
        "with_panic_messages",
        "with the texts of panics",
    ),
    (
        "test-commands",
        "with_test_commands",
        "with the commands of tests",
    ),
];

/// Prints what each feature costs, and what each file of the listener does.
fn features(figures: &mut Map<String, Value>) -> Result<(), Problem> {
    let image = Image::of(Board::Lm3s6965evb);
    let elf = Elf::read(&image.build()?)?;
    let plain = parts::flash(&elf).total();
    println!("\n| the image | feature | flash | more |\n|---|---|---:|---:|");
    for (feature, figure, title) in FEATURES {
        let with = Image {
            feature: Some(feature),
            ..image
        };
        let flash = parts::flash(&Elf::read(&with.build()?)?).total();
        let more = flash as i64 - plain as i64;
        println!("| {title} | `{feature}` | {flash} | {more:+} |");
        figures.insert(figure.to_owned(), json!(more));
    }
    println!("\n| of the listener, in the image | flash |\n|---|---:|");
    for (file, bytes) in parts::listener_by_file(&elf) {
        println!("| `{file}` | {bytes} |");
        let name = file.trim_end_matches(".rs").replace('/', "_");
        figures.insert(format!("flash_listener_{name}"), json!(bytes));
    }
    Ok(())
}

fn core(figures: &mut Map<String, Value>) -> Result<(), Problem> {
    println!(
        "\nCore alone: session with all policies, deadlines and counters, and the polled driver\n"
    );
    println!(
        "| target | code | constants | variables | memmove and the like |\n|---|---:|---:|---:|---:|"
    );
    for (target, figure) in CORE_TARGETS {
        let size = core_alone::size(target)?;
        println!(
            "| {target} | {} | {} | {} | {} |",
            size.code, size.constants, size.variables, size.library
        );
        // What is held by the budget is everything that is the core's own.
        let own = size.code + size.constants + size.variables;
        figures.insert(figure.to_owned(), json!(own));
    }
    if let Proof::CanPanic(culprits) = core_alone::prove(TARGET, Content::Everything)? {
        return Err(Problem::Failed(format!(
            "the core can panic: {}",
            culprits.join(", ")
        )));
    }
    if let Proof::PanicFree(_) = core_alone::prove(TARGET, Content::Control)? {
        return Err(Problem::Failed(
            "the proof passes code that can panic".to_owned(),
        ));
    }
    println!(
        "\nNo panic can be reached from the core's synchronous functions ({TARGET}; checked with a control)."
    );
    Ok(())
}
