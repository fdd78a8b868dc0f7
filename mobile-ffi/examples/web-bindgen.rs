//! Writes the module of the web from the built library: `web-bindgen LIBRARY.wasm DIRECTORY`.

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(library), Some(directory)) = (words.next(), words.next()) else {
        return Err("say the library and the directory to write into".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(library)
        .out_name("binhyen")
        // each byte is paid for by a phone on 2G
        .remove_name_section(true)
        .remove_producers_section(true)
        .typescript(true)
        .web(true)?;
    bindgen.generate(directory)?;
    Ok(())
}
