//! The functions of a module in an order in which they pack well.
//!
//! Much of a module are copies of one generic function for several types. Those are alike, but they
//! stand further apart than the 32 KiB that deflate looks back (RFC 1951), so it finds nothing of
//! it. Putting like beside like changes nothing that runs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::error::Error;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// Bytes that two functions must have in common at a place to be called alike there.
const SHINGLE_BYTES: usize = 6;

/// Shingles that more functions have tell nothing of likeness.
const SHARED_BY_MAX: usize = 200;

/// The next function is like those written last, as far back as this: well within the window of
/// deflate.
const WINDOW_BYTES: usize = 24_000;

/// Added to the shingles of a function when its likeness is divided by them, so that functions of a
/// few bytes do not come first everywhere.
const SMALL_FUNCTION_SHINGLES: usize = 40;

/// The module with its functions put in order.
///
/// # Errors
/// When these are not the bytes of a module.
pub(crate) fn like_beside_like(module: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut imported: u32 = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ImportSection(imports) = payload {
            for import in imports.into_imports() {
                let function = matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                imported += u32::from(function);
            }
        } else if let Payload::CodeSectionEntry(body) = payload {
            bodies.push(body.as_bytes());
        }
    }
    let order = order(&bodies);
    let mut places = vec![0; order.len()];
    for (place, &function) in (0..).zip(&order) {
        places[function] = place;
    }
    let mut permuted = Module::new();
    let mut permutation = Permutation {
        imported,
        order,
        places,
    };
    permutation.parse_core_module(&mut permuted, Parser::new(0), module)?;
    Ok(permuted.finish())
}

struct Permutation {
    imported: u32,
    /// The functions of the module in their new order, as numbers without the imported ones.
    order: Vec<usize>,
    /// Where in that order each function stands.
    places: Vec<u32>,
}

impl Reencode for Permutation {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error<Infallible>> {
        // imported functions stand before all others, and stay there
        let Some(own) = function.checked_sub(self.imported) else {
            return Ok(function);
        };
        let place = usize::try_from(own)
            .ok()
            .and_then(|own| self.places.get(own));
        Ok(self.imported + place.ok_or(reencode::Error::InvalidCodeSectionSize)?)
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        let types = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for &function in &self.order {
            functions.function(types[function]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for function in self.order.clone() {
            self.parse_function_body(code, bodies[function].clone())?;
        }
        Ok(())
    }
}

/// Begins with the largest function and goes on with the one that is most like what was written
/// last, until all are written. Of two that are equally like, the first comes first, so that the
/// same module always has the same order.
fn order(bodies: &[&[u8]]) -> Vec<usize> {
    let shingles = shingles(bodies);
    let mut shared: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (function, of_it) in shingles.iter().enumerate() {
        for shingle in of_it {
            shared.entry(shingle).or_default().push(function);
        }
    }
    shared.retain(|_, functions| (2..=SHARED_BY_MAX).contains(&functions.len()));

    let mut left: BTreeSet<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(bodies.len());
    let mut window = Window {
        shared,
        shingles: &shingles,
        written: VecDeque::new(),
        bytes: 0,
        held: BTreeMap::new(),
        likeness: vec![0; bodies.len()],
    };
    while let Some(next) = window.most_alike(&left).or_else(|| {
        left.iter()
            .copied()
            .max_by_key(|&f| (bodies[f].len(), Reverse(f)))
    }) {
        left.remove(&next);
        order.push(next);
        window.write(next, bodies);
    }
    order
}

fn shingles<'b>(bodies: &[&'b [u8]]) -> Vec<BTreeSet<&'b [u8]>> {
    let of = |body: &&'b [u8]| body.windows(SHINGLE_BYTES).collect();
    bodies.iter().map(of).collect()
}

/// What was written last, and how like to it the others are.
struct Window<'s, 'b> {
    shared: BTreeMap<&'b [u8], Vec<usize>>,
    shingles: &'s [BTreeSet<&'b [u8]>],
    written: VecDeque<usize>,
    bytes: usize,
    /// How many functions of the window have a shingle.
    held: BTreeMap<&'b [u8], usize>,
    /// How many shingles each function has in common with the window.
    likeness: Vec<usize>,
}

impl Window<'_, '_> {
    fn most_alike(&self, left: &BTreeSet<usize>) -> Option<usize> {
        let alike = left.iter().copied().filter(|&f| self.likeness[f] > 0);
        alike.max_by(|&a, &b| {
            // compared by cross-multiplication: no fraction is rounded
            let of = |f: usize| self.shingles[f].len() + SMALL_FUNCTION_SHINGLES;
            let (a_like, b_like) = (self.likeness[a] * of(b), self.likeness[b] * of(a));
            a_like.cmp(&b_like).then(b.cmp(&a))
        })
    }

    fn write(&mut self, function: usize, bodies: &[&[u8]]) {
        self.written.push_back(function);
        self.bytes += bodies[function].len();
        for shingle in &self.shingles[function] {
            let Some(functions) = self.shared.get(shingle) else {
                continue;
            };
            let held = self.held.entry(shingle).or_default();
            *held += 1;
            if *held == 1 {
                functions.iter().for_each(|&f| self.likeness[f] += 1);
            }
        }
        while self.bytes > WINDOW_BYTES && self.written.len() > 1 {
            self.forget_first(bodies);
        }
    }

    fn forget_first(&mut self, bodies: &[&[u8]]) {
        let Some(function) = self.written.pop_front() else {
            return;
        };
        self.bytes -= bodies[function].len();
        for shingle in &self.shingles[function] {
            let (Some(functions), Some(held)) =
                (self.shared.get(shingle), self.held.get_mut(shingle))
            else {
                continue;
            };
            *held -= 1;
            if *held == 0 {
                functions.iter().for_each(|&f| self.likeness[f] -= 1);
            }
        }
    }
}
