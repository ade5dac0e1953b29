//! `mallctl render`: the shop written down for containers.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::{self, Part, Rendered};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::render::{self, File, MARK, Place};

/// Runs the verb: first it looks whether it may write every file, then it writes them.
pub fn run(args: &cli::Render, json: bool) -> Outcome {
    let files = files(args)?;
    for file in &files {
        check(&args.out.join(&file.path))?;
    }
    for file in &files {
        write(&args.out.join(&file.path), &file.text)?;
    }
    let paths: Vec<PathBuf> = files.into_iter().map(|file| args.out.join(file.path)).collect();
    if json {
        output::json(&serde_json::json!({ "schema": output::SCHEMA, "files": paths }))?;
    } else {
        for path in &paths {
            output::line(&path.display().to_string());
        }
    }
    Ok(Exit::Ok)
}

fn files(args: &cli::Render) -> Result<Vec<File>, Failure> {
    let place = match (args.what, args.consul) {
        (Rendered::Compose, false) => Place::compose(),
        (Rendered::Compose, true) => Place::consul(),
        (Rendered::K8s, false) => Place::k8s(),
        (Rendered::K8s, true) => {
            return Err(Failure::usage("--consul is for compose")
                .because("in Kubernetes headless services tell where the replicas are")
                .mend("leave it out"));
        }
    };
    let place = place.with_replicas(&args.replicas);
    Ok(match (args.what, args.only) {
        (Rendered::Compose, None) => render::compose::shop(&place),
        (Rendered::Compose, Some(Part::Collector)) => render::compose::collector(),
        (Rendered::K8s, None) => render::k8s::shop(&place),
        (Rendered::K8s, Some(Part::Collector)) => render::k8s::collector(),
    })
}

/// Refuses what somebody else wrote, and what cannot be read to know.
fn check(path: &Path) -> Result<(), Failure> {
    match fs::read_to_string(path) {
        Ok(text) if text.starts_with(MARK) => Ok(()),
        Ok(_) => Err(Failure::new(Exit::Conflict, format!("{} is not ours to overwrite", path.display()))
            .because("`mallctl render` did not write it")
            .mend("move it away, or choose another folder with --out")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::runtime(format!("cannot read {}", path.display())).because(error)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::runtime(format!("cannot write {}", path.display())).because(error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}
