//! The rules of the source's layout, checked by reading `src/` as text; unit tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Functions longer than this have a reason above them: `// Long: …`.
const LONGEST_FUNCTION: usize = 60;
/// Files of the command line are no longer than this.
const LONGEST_FILE: usize = 300;
/// All of `cli/train/` together is no longer than this.
const LONGEST_TRAIN: usize = 1_500;

/// A module's path from the crate's root; the library's root is empty, the program's is `main`.
type Module = Vec<String>;

/// A file of the crate.
struct File {
    /// Below `src/`.
    name: String,
    /// The lines above the unit tests.
    lines: Vec<String>,
}

impl File {
    /// The lines without comments.
    fn code(&self) -> String {
        let lines = self.lines.iter();
        let code = lines.map(|line| line.split("//").next().unwrap_or_default());
        code.collect::<Vec<_>>().join("\n")
    }

    /// Line number, length, and name of each function, and whether a reason for its length is above it.
    fn functions(&self) -> Vec<(usize, usize, &str, bool)> {
        let mut open: Vec<(usize, usize, &str)> = Vec::new();
        let mut functions = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            if let Some(name) = function_name(code) {
                open.retain(|&(_, outer, _)| outer < indent);
                open.push((number, indent, name));
            } else if code == "}" {
                open.retain(|&(_, inner, _)| inner <= indent);
                if let Some((start, _, name)) = open.pop_if(|&mut (_, own, _)| own == indent) {
                    let above = self.lines[..start].iter().rev().map(|line| line.trim());
                    let mut above = above.take_while(|line| line.starts_with(['/', '#']));
                    let has_reason = above.any(|line| line.starts_with("// Long: "));
                    functions.push((start + 1, number + 1 - start, name, has_reason));
                }
            }
        }
        functions
    }
}

/// The name in a line that begins a function.
fn function_name(code: &str) -> Option<&str> {
    let mut rest = code;
    while let Some(shorter) = ["pub ", "pub(super) ", "pub(crate) ", "const ", "unsafe "]
        .iter()
        .find_map(|modifier| rest.strip_prefix(modifier))
    {
        rest = shorter;
    }
    let name = rest.strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

/// All files of the crate by their modules.
fn files() -> BTreeMap<Module, File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The pages' scripts are beside the code that fills them in.
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let below = path.strip_prefix(&root).unwrap();
            let names = below.with_extension("");
            let mut module: Module = names
                .iter()
                .map(|name| name.to_str().unwrap().to_owned())
                .collect();
            if ["mod", "lib"].contains(&module.last().unwrap().as_str()) {
                module.pop();
            }
            let lines = without_tests(&fs::read_to_string(&path).unwrap());
            let name = below.to_str().unwrap().to_owned();
            files.insert(module, File { name, lines });
        }
    }
    files
}

/// The lines above the unit tests, without single ones that are only there for tests.
fn without_tests(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push(line.to_owned());
        } else if lines.next().is_some_and(|next| next.ends_with('{')) {
            break;
        }
    }
    code
}

/// A path that code names, and whether it is handed on (`pub use`).
struct Named {
    path: Vec<String>,
    public: bool,
}

/// All paths of `use`, their braces opened, and those that code names from `crate` or `super`.
fn named(code: &str) -> Vec<Named> {
    let mut named = Vec::new();
    let mut rest = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let (modifier, import) = match line.trim_start().split_once("use ") {
            Some((modifier, import)) if modifier.is_empty() || modifier.starts_with("pub") => {
                (modifier, import)
            }
            _ => {
                rest += line;
                rest.push('\n');
                continue;
            }
        };
        let mut import = import.to_owned();
        while !import.contains(';') {
            import += lines.next().unwrap();
        }
        let tree = import.split(';').next().unwrap_or_default();
        let public = !modifier.is_empty();
        let mut paths = Vec::new();
        open_braces(&[], tree, &mut paths);
        named.extend(paths.into_iter().map(|path| Named { path, public }));
    }
    for start in ["crate::", "super::"] {
        for (place, _) in rest.match_indices(start) {
            let is_word = |character: char| character.is_alphanumeric() || character == '_';
            if !rest[..place].ends_with(|before| is_word(before) || before == ':') {
                let path = rest[place..].split(|character| !is_word(character) && character != ':');
                let path = path.take(1).flat_map(|path| path.split("::"));
                let path = path
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
                named.push(Named {
                    path,
                    public: false,
                });
            }
        }
    }
    named
}

/// The paths in a tree of `use`, such as `a::{b, c::d}`.
fn open_braces(prefix: &[String], tree: &str, paths: &mut Vec<Vec<String>>) {
    let mut depth = 0;
    let branches = tree.split(|character: char| {
        depth += i32::from(character == '{') - i32::from(character == '}');
        character == ',' && depth == 0
    });
    for branch in branches.map(str::trim).filter(|branch| !branch.is_empty()) {
        let (path, inner) = match branch.split_once('{') {
            Some((path, inner)) => (path, inner.strip_suffix('}')),
            None => (branch.split(" as ").next().unwrap_or_default(), None),
        };
        let names = path
            .split("::")
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let path: Vec<String> = prefix
            .iter()
            .cloned()
            .chain(names.map(str::to_owned))
            .collect();
        match inner {
            Some(inner) => open_braces(&path, inner, paths),
            None => paths.push(path),
        }
    }
}

/// The crate as a graph: which file names what of which other.
struct House {
    files: BTreeMap<Module, File>,
    /// The absolute paths that each file names.
    named: BTreeMap<Module, Vec<Vec<String>>>,
    /// What a module hands on of others, by its path there.
    handed_on: BTreeMap<Vec<String>, Vec<String>>,
}

impl House {
    fn new() -> Self {
        let files = files();
        let (mut all, mut handed_on) = (BTreeMap::new(), BTreeMap::new());
        for (module, file) in &files {
            let mut absolute = Vec::new();
            for Named { path, public } in named(&file.code()) {
                let Some(path) = from_root(module, &path, &files) else {
                    continue;
                };
                if public && let Some(name) = path.last() {
                    handed_on.insert(
                        [module.as_slice(), std::slice::from_ref(name)].concat(),
                        path.clone(),
                    );
                }
                absolute.push(path);
            }
            all.insert(module.clone(), absolute);
        }
        Self {
            files,
            named: all,
            handed_on,
        }
    }

    /// The file that holds what a path names; what a module hands on is in the file that it comes from.
    fn place(&self, path: &[String]) -> &Module {
        let mut path = path.to_vec();
        // A name that is handed on under itself is no way further.
        let mut seen = BTreeSet::new();
        loop {
            let prefixes = (0..=path.len()).rev().map(|length| &path[..length]);
            let mut places = prefixes.filter_map(|prefix| match self.files.get_key_value(prefix) {
                Some((module, _)) => Some(Ok(module)),
                None => self.handed_on.get_key_value(prefix).map(Err),
            });
            match places.next() {
                Some(Ok(module)) => return module,
                Some(Err((name, target))) if seen.insert(name.clone()) => {
                    path = [target.as_slice(), &path[name.len()..]].concat();
                }
                _ => path.truncate(path.len().saturating_sub(1)),
            }
        }
    }

    /// Which files each file imports.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let named = self.named.iter();
        let imports = named.map(|(module, paths)| {
            let places = paths.iter().map(|path| self.place(path));
            (module, places.filter(|&place| place != module).collect())
        });
        imports.collect()
    }

    /// The length of all files below a folder, without their unit tests.
    fn lengths(&self, folder: &str) -> Vec<(&str, usize)> {
        let files = self
            .files
            .values()
            .filter(|file| file.name.starts_with(folder));
        files
            .map(|file| (file.name.as_str(), file.lines.len()))
            .collect()
    }
}

/// A path as it is from the crate's root; nothing for another crate's.
fn from_root(
    module: &Module,
    path: &[String],
    files: &BTreeMap<Module, File>,
) -> Option<Vec<String>> {
    let beside = |rest: &[String]| [module.as_slice(), rest].concat();
    match path.first()?.as_str() {
        "crate" | "makemore_tch" => Some(path[1..].to_vec()),
        "self" => Some(beside(&path[1..])),
        "super" => {
            let ups = path.iter().take_while(|name| *name == "super").count();
            let base = &module[..module.len().checked_sub(ups)?];
            Some([base, &path[ups..]].concat())
        }
        _ => files
            .contains_key(&beside(&path[..1]))
            .then(|| beside(path)),
    }
}

/// The groups of files each of which imports the others, perhaps through still others.
fn circles(imports: &BTreeMap<&Module, BTreeSet<&Module>>) -> Vec<String> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = imports
        .keys()
        .map(|&from| {
            let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(module) = next.pop() {
                let further = imports[module]
                    .iter()
                    .filter(|&&module| reached.insert(module));
                next.extend(further.collect::<Vec<_>>());
            }
            (from, reached)
        })
        .collect();
    let circles: BTreeSet<Vec<String>> = reached
        .iter()
        .filter(|(from, reached)| reached.contains(*from))
        .map(|(from, others)| {
            let circle = others
                .iter()
                .filter(|&&other| reached[other].contains(from));
            circle.map(|module| module.join("/")).collect()
        })
        .collect();
    circles.into_iter().map(|circle| circle.join(" ")).collect()
}

/// All lines in one, for a message.
fn shown(lines: impl IntoIterator<Item = String>) -> String {
    lines
        .into_iter()
        .map(|line| format!("\n  {line}"))
        .collect()
}

#[test]
fn a_function_above_sixty_lines_has_its_reason_above_it() {
    let mut long = Vec::new();
    for file in files().values() {
        for (line, length, name, has_reason) in file.functions() {
            if length > LONGEST_FUNCTION && !has_reason {
                long.push(format!("{}:{line}: {name} has {length} lines", file.name));
            }
        }
    }
    assert!(long.is_empty(), "{}", shown(long));
}

#[test]
fn the_command_line_is_thin() {
    let house = House::new();
    let cli = house.lengths("cli/").into_iter();
    let long: Vec<_> = cli.filter(|&(_, length)| length > LONGEST_FILE).collect();
    assert!(long.is_empty(), "{long:?}");
    let train: usize = house
        .lengths("cli/train/")
        .iter()
        .map(|(_, length)| length)
        .sum();
    assert!(train <= LONGEST_TRAIN, "cli/train/ has {train} lines");
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let circles = circles(&House::new().imports());
    assert!(circles.is_empty(), "{}", shown(circles));
}

#[test]
fn nothing_is_imported_through_the_crates_root() {
    let house = House::new();
    let mut found = Vec::new();
    for (module, paths) in &house.named {
        let is_program = ["main", "cli"].contains(&module.first().map_or("lib", String::as_str));
        if module.is_empty() || is_program {
            continue;
        }
        let through = paths
            .iter()
            .filter(|path| !house.files.contains_key(&path[..path.len().min(1)]));
        found.extend(
            through.map(|path| format!("{}: {}", house.files[module].name, path.join("::"))),
        );
    }
    assert!(found.is_empty(), "{}", shown(found));
}

#[test]
fn the_library_knows_no_command_line() {
    let mut found = Vec::new();
    for file in files().values() {
        if file.name == "main.rs" || file.name.starts_with("cli/") {
            continue;
        }
        for word in [
            "clap::",
            "indicatif::",
            "println!",
            "\"--",
            "`--",
            "scripts/",
        ] {
            if file.code().contains(word) {
                found.push(format!("{}: {word}", file.name));
            }
        }
    }
    assert!(found.is_empty(), "{}", shown(found));
}

/// What the other tests find is none where there is none.
#[test]
fn circles_and_imports_are_found() {
    let paths: Vec<_> = named("pub use a::{b, c::{self, d as e}};\nfn f() -> crate::g::H {}")
        .into_iter()
        .map(|Named { path, public }| (path.join("::"), public))
        .collect();
    let expected = [
        ("a::b", true),
        ("a::c::self", true),
        ("a::c::d", true),
        ("crate::g::H", false),
    ];
    assert_eq!(
        paths,
        expected.map(|(path, public)| (path.to_owned(), public))
    );
    let [one, two, three] = ["one", "two", "three"].map(|name| vec![name.to_owned()]);
    let imports = [
        (&one, vec![&two]),
        (&two, vec![&three, &one]),
        (&three, vec![]),
    ];
    let imports = imports.map(|(module, imports)| (module, imports.into_iter().collect()));
    assert_eq!(circles(&imports.into()), ["one two"]);
    let imports = House::new().imports().len();
    assert!(imports > 100, "only {imports} files are found");
}

/// The diff that CONTRIBUTING.md shows for a new network is the kind that the tests compile and train.
#[test]
fn the_diff_of_a_new_network_is_the_one_that_is_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name| fs::read_to_string(root.join(name)).unwrap();
    let toy = read("src/models/kinds/toy.rs");
    let (toy, _) = toy.split_once("\n#[cfg(test)]\n").unwrap();
    let diff: String = toy
        .trim_end()
        .lines()
        .map(|line| format!("+{line}\n"))
        .collect();
    assert!(read(".github/CONTRIBUTING.md").contains(&format!("@@\n{diff}```")));
}
