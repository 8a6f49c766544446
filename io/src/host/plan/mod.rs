//! `pinion host`: the files that prepare a machine, written into a folder and never applied; and how far a machine
//! follows them.
//!
//! A plan is a pure function of the facts: the same machine gives the same bytes. It holds what the machine says
//! before, so that everything can be undone.

mod check;
mod cores;
mod texts;
mod write;

use serde::{Deserialize, Serialize};

use crate::affinity::CoreSet;
use crate::host::Facts;

pub use check::{check, load};
pub use write::{PLAN, write};

/// Form of `plan.json`.
pub const SCHEMA: &str = "pinion.host_plan.v1";

/// A file to be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Where it belongs, absolute.
    pub target: String,
    /// What it does, one sentence.
    pub purpose: String,
    /// The command that brings it into force.
    pub apply: String,
    /// Its content.
    pub text: String,
    /// The content of the file that stands there today; `None`: none does.
    pub before: Option<String>,
    /// True for a program.
    pub executable: bool,
}

/// A value that is to be in force, below `/proc/sys` or `/sys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Dotted name of a kernel setting, or an absolute path below `/sys`.
    pub name: String,
    /// What is wanted.
    pub wanted: String,
    /// What it is today.
    pub before: String,
}

/// Everything that one machine needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// Cores of the stage threads.
    pub cores: String,
    /// These and their siblings: nothing else runs there.
    pub quiet: String,
    /// Cores of everything else.
    pub rest: String,
    /// Kernel arguments, `name=value`.
    pub arguments: Vec<String>,
    /// Values in force after the start.
    pub settings: Vec<Setting>,
    /// Files.
    pub files: Vec<Planned>,
}

impl Plan {
    /// Draws the plan of a machine. `cores`: those of the stage threads; `None`: the best are chosen, one for each
    /// pinned stage where the machine has enough physical cores, else one.
    ///
    /// # Errors
    /// A text for people: too few cores, or cores that are not there.
    pub fn draw(facts: &Facts, cores: Option<CoreSet>) -> Result<Self, String> {
        let chosen = cores::choose(facts, cores)?;
        let arguments = texts::arguments(facts, &chosen);
        let settings = texts::settings(facts, &chosen);
        let files = texts::files(facts, &chosen, &arguments, &settings);
        Ok(Self {
            schema: SCHEMA.to_owned(),
            cores: chosen.hot.to_string(),
            quiet: chosen.quiet.to_string(),
            rest: chosen.rest.to_string(),
            arguments,
            settings,
            files,
        })
    }
}

#[cfg(test)]
mod tests;
