//! Writes the Python binding: `uniffi-bindgen LIBRARY DIRECTORY`.

use uniffi::{GenerateOptions, TargetLanguage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(library), Some(directory)) = (words.next(), words.next()) else {
        return Err("say the library and the directory to write into".into());
    };
    uniffi::generate(GenerateOptions {
        languages: vec![TargetLanguage::Python],
        source: library.into(),
        out_dir: directory.into(),
        ..GenerateOptions::default()
    })?;
    Ok(())
}
