//! Writes the module of the web from the built library: `web-bindgen LIBRARY.wasm DIRECTORY`.
//!
//! Beside the module lies the same packed as gzip, for hosts that serve files packed beforehand.

mod order;

use std::fs::File;
use std::path::Path;

use wasm_bindgen_cli_support::Bindgen;

const NAME: &str = "binhyen";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(library), Some(directory)) = (words.next(), words.next()) else {
        return Err("say the library and the directory to write into".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(library)
        .out_name(NAME)
        // each byte is paid for by a phone on 2G
        .remove_name_section(true)
        .remove_producers_section(true)
        .typescript(true)
        .web(true)?;
    bindgen.generate(&directory)?;

    let path = Path::new(&directory).join(format!("{NAME}_bg.wasm"));
    let module = order::like_beside_like(&std::fs::read(&path)?)?;
    std::fs::write(&path, &module)?;
    let packed = File::create(path.with_extension("wasm.gz"))?;
    zopfli::compress(
        zopfli::Options::default(),
        zopfli::Format::Gzip,
        module.as_slice(),
        packed,
    )?;
    Ok(())
}
