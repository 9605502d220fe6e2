//! The large graph that several benchmarks use: 170 images, 50,000 files, nine levels.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The number of images per level: four roots, most images on one of them, and a tail to a depth of nine.
const LEVELS: [usize; 9] = [4, 59, 30, 27, 33, 13, 2, 1, 1];

const FILES: usize = 50_000;

/// The name of image `i{at}` in the builder's store.
pub(crate) const REPOSITORY: &str = "imgspec-bench/i";

/// The images that each image needs, in topological order: first its base, then those from which it copies `/src`. Two on
/// average, as in large collections of images.
pub(crate) fn graph() -> Vec<Vec<usize>> {
    wider(1)
}

/// The same shape with so many times as many images on each level.
pub(crate) fn wider(times: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut below = 0..0;
    for width in LEVELS.map(|width| width * times) {
        let first = all.len();
        for at in first..first + width {
            let mut needs: Vec<usize> = Vec::new();
            if !below.is_empty() {
                // Most images of the second level have the same root as base.
                let spread = if first < 10 * times && at % 6 != 0 {
                    at % times
                } else {
                    at % below.len()
                };
                needs.push(below.start + spread);
                let other = at * 7 % first;
                if !needs.contains(&other) && at % 8 != 0 {
                    needs.push(other);
                }
                let third = at * 13 % first;
                if at % 4 == 0 && !needs.contains(&third) {
                    needs.push(third);
                }
            }
            all.push(needs);
        }
        below = first..first + width;
    }
    all
}

/// The number of files that belong to the image itself.
pub(crate) fn own_files(at: usize) -> usize {
    let images: usize = LEVELS.iter().sum();
    FILES / images + usize::from(at < FILES % images)
}

/// Writes the manifest and the files. A new salt changes the contents of all files, so that no builder has them cached.
pub(crate) fn write(root: &Path, salt: &str) {
    let mut manifest = String::new();
    for (at, needs) in graph().iter().enumerate() {
        image(&mut manifest, at, needs);
        for file in 0..own_files(at) {
            let path = path(root, at, file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, format!("# {at} {file} {salt}\n").repeat(40)).expect("a file");
        }
    }
    std::fs::write(root.join("imgspec.kdl"), manifest).expect("a manifest");
}

fn image(manifest: &mut String, at: usize, needs: &[usize]) {
    let base = needs.first().map_or("\"scratch\"".to_owned(), |base| {
        format!("image=\"i{base}\"")
    });
    let _ = writeln!(
        manifest,
        "image \"i{at}\" {{\n    name \"{REPOSITORY}{at}\"\n    base-image {base}\n    copy \"src/i{at}\" to=\"/src/i{at}\""
    );
    for other in needs.iter().skip(1) {
        let _ = writeln!(
            manifest,
            "    copy image=\"i{other}\" \"/src\" to=\"/other\""
        );
    }
    manifest.push_str("}\n");
}

fn path(root: &Path, at: usize, file: usize) -> PathBuf {
    root.join(format!("src/i{at}/p{}/f{file}.py", file / 12))
}
