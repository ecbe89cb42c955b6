//! The comparison on the kernel's TCP: the project's server and its peers, in turn, over several
//! rounds.

use std::io;
use std::time::Duration;

use super::figures::Figures;
use super::programs::Peer;
use super::tables::sections;
use super::workloads::{MANY, Workload};
use super::{bounds, client_in_c, leave_out};
use crate::bench::context;
use crate::bench::measure::machine::{Cores, allow_connections};
use crate::bench::measure::quiet::{tell_disturbed, undisturbed};
use crate::bench::measure::server::Program;
use crate::bench::measure::system_calls;
use crate::bench::report::{Column, Report};

/// A plan of measurements.
pub struct Plan {
    /// The workloads for each server.
    pub workloads: Vec<Workload>,
    /// The number of rounds.
    pub rounds: usize,
    /// The time for which each steady load is measured.
    pub time: Duration,
    /// The cores of the servers and of the load.
    pub cores: Cores,
}

/// A server at its place in the order of a round.
pub(super) struct Contender {
    pub(super) peer: Peer,
    pub(super) program: Program,
    pub(super) column: Column,
}

/// Builds the servers that `peers` are, measures, and says what was found.
///
/// # Errors
///
/// When a server cannot be built or fails under the load, or this machine does not allow enough
/// connections.
pub fn run(peers: &[Peer], mut plan: Plan) -> io::Result<Report> {
    allow_connections(MANY)?;
    if plan.workloads.contains(&Workload::SystemCalls)
        && let Err(reason) = system_calls::available()
    {
        leave_out("the count of system calls", reason)?;
        plan.workloads
            .retain(|&workload| workload != Workload::SystemCalls);
    }
    if plan.workloads.contains(&Workload::BulkFromC) && !client_in_c::is_built()? {
        plan.workloads.retain(|&it| it != Workload::BulkFromC);
    }
    let contenders = contenders(peers)?;
    let figures = measure(&plan, &contenders)?;

    let peers: Vec<_> = contenders.iter().map(|contender| contender.peer).collect();
    let columns: Vec<_> = contenders
        .into_iter()
        .map(|contender| contender.column)
        .collect();
    let is_control = |&place: &usize| peers[place] == Peer::C;
    let controls: Vec<_> = (0..peers.len()).filter(is_control).collect();
    Ok(Report {
        sections: sections(&figures, &columns, &controls),
        bounds: bounds::check(&figures, &peers, &controls),
    })
}

/// The servers that can be built, in the order of a round. The C loop comes twice: what it reaches
/// against itself is the noise of the measurement.
pub(super) fn contenders(peers: &[Peer]) -> io::Result<Vec<Contender>> {
    let mut contenders = Vec::new();
    for &peer in peers {
        let Some(program) = peer.build()? else {
            continue;
        };
        contenders.push(Contender {
            peer,
            program,
            column: peer.column(),
        });
    }
    let control = contenders
        .iter()
        .find(|contender| contender.peer == Peer::C);
    let again = control.map(|control| Contender {
        peer: Peer::C,
        program: control.program.clone(),
        column: Column {
            id: format!("{}-again", control.column.id),
            title: format!("{} again", control.column.title),
        },
    });
    contenders.extend(again);
    Ok(contenders)
}

/// All rounds. The server that begins a workload changes from round to round, so that none is
/// always the one that runs on a rested machine.
pub(super) fn measure(plan: &Plan, contenders: &[Contender]) -> io::Result<Figures> {
    let mut figures = Figures::default();
    let mut disturbed = 0;
    for round in 0..plan.rounds {
        let due = |workload: &&Workload| workload.is_due(round);
        for &workload in plan.workloads.iter().filter(due) {
            eprintln!(
                "round {} of {}: {}",
                round + 1,
                plan.rounds,
                workload.title()
            );
            let times = workload.times_a_round();
            for turn in 0..contenders.len() * times as usize {
                let place = (round + turn) % contenders.len();
                let contender = &contenders[place];
                let doing = format!("{}, {}", contender.column.title, workload.title());
                let run = || workload.run(&contender.program, plan.cores, plan.time / times);
                let found = match workload.is_timed() {
                    true => undisturbed(plan.cores, &mut disturbed, run),
                    false => run(),
                };
                let found = found.map_err(context(doing))?;
                for figure in found {
                    figures.add(place, figure);
                }
            }
        }
    }
    tell_disturbed(disturbed);
    Ok(figures)
}
