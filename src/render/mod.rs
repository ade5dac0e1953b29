//! The shop written down for containers: from the same [`Topology`](crate::topology::Topology) as `up`, for a place with fixed ports and names.
//!
//! A template says what a reader should see and why; the topology says which roles there are, who calls whom and what
//! each is configured with. Nothing is written here: [`compose`] and [`k8s`] answer files.

pub mod compose;
pub mod k8s;
mod place;
mod template;
mod yaml;

use std::path::PathBuf;

pub use place::Place;

/// A file that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where, from the folder that was asked for.
    pub path: PathBuf,
    /// Its whole text, [`MARK`] in the first line.
    pub text: String,
}

/// Stands in the first line of every file: what a later rendering may replace.
pub const MARK: &str = "# Written by `mallctl render";

impl File {
    fn new(path: impl Into<PathBuf>, verb: &str, text: &str) -> Self {
        let head = format!("{MARK} {verb}`; it will be written over: change the topology or an overlay instead.\n");
        Self { path: path.into(), text: head + text }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mall::config::ServiceConfig;

    use super::*;

    fn everything() -> Vec<File> {
        [compose::shop(&Place::compose()), k8s::shop(&Place::k8s())].concat()
    }

    #[test]
    fn what_is_in_the_repository_is_what_is_rendered() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in everything() {
            let path = root.join(&file.path);
            if std::env::var_os("MALLCTL_WRITE_DOCS").is_some() {
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes the folder");
                std::fs::write(&path, &file.text).expect("writes");
            }
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            let mend = "MALLCTL_WRITE_DOCS=1 cargo test -p mallctl what_is_in_the_repository";
            assert!(written == file.text, "{} is old: {mend}", file.path.display());
        }
    }

    #[test]
    fn nothing_rendered_is_left_over_from_an_earlier_rendering() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rendered: Vec<PathBuf> = everything().into_iter().map(|file| root.join(file.path)).collect();
        let mut folders = vec![root.join("deploy")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("lists").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with(MARK)) {
                    assert!(rendered.contains(&path), "{} is rendered no more: remove it", path.display());
                }
            }
        }
    }

    /// Variables as a container has them.
    fn lookup(name: &str) -> Option<String> {
        let known = ["HOSTNAME", "POD_NAME", "MALL_ACCESS_SECRET", "MALL_MYSQL_PASSWORD", "MALL_REDIS_PASSWORD"];
        known.contains(&name).then(|| format!("value-of-{name}"))
    }

    #[test]
    fn services_understand_their_rendered_configurations() {
        let folders = ["deploy/compose/etcd", "deploy/compose/consul", "deploy/k8s/base/config"];
        let files: Vec<File> = everything()
            .into_iter()
            .filter(|file| folders.iter().any(|folder| file.path.starts_with(folder)))
            .collect();
        assert_eq!(files.len(), folders.len() * 7);
        for File { path, text } in files {
            let role = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).expect("is called like its role");
            let reading =
                ServiceConfig::interpret_as(role, &text, &path, &lookup).unwrap_or_else(|error| panic!("{error}"));
            assert!(reading.notes.is_empty(), "{}: says in vain: {:?}", path.display(), reading.notes);
            let config = reading.config;
            assert_eq!(config.name, role.name());
            assert!(!config.source().contains('$') && !config.instance().contains('$'), "{}", path.display());
        }
    }

    #[test]
    fn what_is_rendered_reads_back_as_it_was() {
        let place = Place::compose();
        for (role, _) in place.roles() {
            let same = |name: &str| lookup(name).map(|_| format!("${{{name}}}"));
            let read = ServiceConfig::interpret(&yaml::yaml(&place.configure(role)), Path::new("compose.yaml"), &same);
            assert_eq!(read.expect("valid").config, place.configure(role), "{role}");
        }
    }

    #[test]
    fn every_placeholder_is_filled() {
        for file in everything() {
            assert_eq!(template::placeholders(&file.text), Vec::<&str>::new(), "{}", file.path.display());
        }
    }
}
