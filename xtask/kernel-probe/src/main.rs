//! The first process of a virtual machine that `cargo xtask kernels` boots: it makes the machine
//! ready, tries podmirror on its kernel, and turns the machine off.
//!
//! One line a check goes to the second serial port, where the task reads it ([`report`]); what a
//! failure has to say goes to the console.
//!
//! | file of the machine | what it is |
//! |---|---|
//! | `/podmirror` | the static binary |
//! | `/objects/*` | the objects of the kernel half |
//! | `/tests/*` | integration tests of podmirror, linked statically |
//! | `/modules/*` | kernel modules, in the order in which they load |
//! | `/usr/...` | `ip`, `tc`, `ethtool`, `setpriv` from the distribution |

mod boot;
mod checks;
mod report;
mod scene;

use std::{env, process::ExitCode};

use report::Report;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("this is the first process of a virtual machine: see `cargo xtask kernels`");
        return ExitCode::from(2);
    }
    let machine = match boot::boot() {
        Ok(machine) => machine,
        Err(error) => {
            eprintln!("booting: {error:#}");
            return boot::power_off();
        }
    };
    let wanted: Vec<_> = env::args().skip(1).collect();
    let wanted = wanted.join(" ");
    let mut report = Report::open();
    report.begin(&machine.release);
    for check in checks::all(&wanted) {
        report.run(&check, &machine);
    }
    report.end();
    boot::power_off()
}
