//! Writes a binding from the built library: `uniffi-bindgen LIBRARY DIRECTORY LANGUAGE`, where the
//! language is `python`, `kotlin` or `swift`. Names of packages and modules are in `uniffi.toml`.

use uniffi::{GenerateOptions, TargetLanguage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(library), Some(directory), Some(language)) =
        (words.next(), words.next(), words.next())
    else {
        return Err("say the library, the directory to write into, and the language".into());
    };
    let language = match language.as_str() {
        "python" => TargetLanguage::Python,
        "kotlin" => TargetLanguage::Kotlin,
        "swift" => TargetLanguage::Swift,
        other => return Err(format!("no binding is kept for '{other}'").into()),
    };
    uniffi::generate(GenerateOptions {
        languages: vec![language],
        source: library.into(),
        out_dir: directory.into(),
        ..GenerateOptions::default()
    })?;
    Ok(())
}
