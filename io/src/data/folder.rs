//! From the paths a person names to the files that are read.

use std::path::{Path, PathBuf};

use super::format::{ACCEPTED, Format};
use super::lines::Lines;
use crate::source::SourceFault;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) path: PathBuf,
    pub(super) format: Format,
}

/// The files of a path: itself, or what a folder offers at its finest. `notices` says what is left out.
pub(super) fn choose(path: &Path, notices: &mut Vec<String>) -> Result<Vec<Chosen>, SourceFault> {
    let fault = |found: &str, expected: &str| SourceFault {
        origin: path.display().to_string(),
        line: None,
        found: found.into(),
        expected: expected.into(),
    };
    if !path.exists() {
        return Err(fault("there is no such file or folder", "an existing path after --data"));
    }
    if !path.is_dir() {
        let format = Format::detect(&mut Lines::open(path)?)?;
        return Ok(vec![Chosen { path: path.into(), format }]);
    }
    let (files, folders) = entries(path)
        .map_err(|error| fault(&format!("cannot be listed ({error})"), "a readable folder"))?;
    if files.is_empty() {
        return Err(if folders.is_empty() {
            fault("a folder without data", ACCEPTED)
        } else {
            fault("a folder of folders", &format!("one of them: {}", folders.join(", ")))
        });
    }
    let mut found = Vec::with_capacity(files.len());
    for file in files {
        let format = Format::detect(&mut Lines::open(&file)?)?;
        found.push(Chosen { path: file, format });
    }
    notices.extend(
        folders
            .iter()
            .map(|folder| format!("{}: the folder in it is not read: {folder}", path.display())),
    );
    let finest = found.iter().map(|file| fineness(file.format)).max().unwrap_or(0);
    let (kept, left): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|file| file.format == Format::Funding || fineness(file.format) == finest);
    notices.extend(left.iter().map(|file| {
        format!(
            "{}: {} are not read, the folder has finer data (name the file to read it)",
            file.path.display(),
            file.format.name()
        )
    }));
    Ok(kept)
}

/// Raw frames say more than rows derived from them, rows more than bars. Funding stands beside all.
const fn fineness(format: Format) -> u8 {
    match format {
        Format::Raw | Format::Bingx => 3,
        Format::Rows => 2,
        Format::Bars { .. } => 1,
        Format::Funding => 0,
    }
}

/// Files and names of folders, sorted; without hidden ones and what accompanies data.
fn entries(folder: &Path) -> std::io::Result<(Vec<PathBuf>, Vec<String>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') {
                folders.push(name);
            }
        } else if !accompanies(&name) {
            files.push(path);
        }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

fn accompanies(name: &str) -> bool {
    name.starts_with('.')
        || name.starts_with("README")
        || name.starts_with("LICENSE")
        || name.ends_with(".md")
        || name == "SHA256SUMS"
        || name == "expect.json"
        || name == crate::capture::MANIFEST
}
