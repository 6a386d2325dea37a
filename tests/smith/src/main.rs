//! entresol_smith FIRST COUNT: COUNT modules of seeds FIRST, FIRST + 1, … on standard output, each as its seed and its size
//! (u32, little-endian) and its octets. A seed's module is always the same.
//!
//! What wasm-smith makes has imports and exports exactly as ABI 1 has them (docs/services.md) and is otherwise anything. Two
//! things are put in: entresol_describe() tells the truth, so that the module gets past it, and the other callbacks begin
//! with some calls of imports with random arguments, of which most are such that the host does what they ask.

use std::io::Write;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Instruction, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// Parameters after the first, one letter each: `p` a pointer, `s` a size, `n` a small number, `i` and `I` numbers of 32 and
/// 64 bits, `f` a floating-point number; then the result.
const IMPORTS: &[(&str, &str, &str)] = &[
    ("now", "", "I"),
    ("unix_time", "", "I"),
    ("random", "ps", ""),
    ("log", "nps", ""),
    ("timer_set", "II", "i"),
    ("timer_cancel", "I", "i"),
    ("get", "npsps", "i"),
    ("put", "npspsi", "i"),
    ("swap", "npspspsi", "i"),
    ("remove", "nps", "i"),
    ("next", "npspsps", "i"),
    ("config", "psps", "i"),
    ("metric", "nf", ""),
    ("release", "ip", "i"),
    ("withdraw", "", "i"),
];
const EXPORTS: &[(&str, &str, &str)] = &[
    ("entresol_describe", "", "i"),
    ("entresol_start", "", ""),
    ("entresol_configure", "", ""),
    ("entresol_packets", "ii", ""),
    ("entresol_timer", "I", ""),
    ("entresol_stop", "", ""),
];
const PAGES: u64 = 16;
/// Where the description lies, and what it says but for the callbacks: packets, verdicts, payload, its room, out.
const DESCRIPTION: i32 = 1024;
const PLACES: [i32; 5] = [2048, 8192, 20000, 512, 12288];
const CALLS: u64 = 24;
/// ABI 1 has WebAssembly 2.0 and references to typed functions.
const FEATURES: wasmparser::WasmFeatures =
    wasmparser::WasmFeatures::WASM2.union(wasmparser::WasmFeatures::FUNCTION_REFERENCES);

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

fn types(letters: &str) -> Vec<ValType> {
    letters
        .chars()
        .map(|letter| match letter {
            'I' => ValType::I64,
            'f' => ValType::F64,
            _ => ValType::I32,
        })
        .collect()
}

/// A module with the imports and exports that all of them have.
fn shape() -> Vec<u8> {
    let mut kinds = TypeSection::new();
    let mut imports = ImportSection::new();
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    for (at, (name, parameters, results)) in IMPORTS.iter().enumerate() {
        kinds
            .ty()
            .function(types(&format!("i{parameters}")), types(results));
        imports.import("entresol", name, EntityType::Function(at as u32));
    }
    for (at, (name, parameters, results)) in EXPORTS.iter().enumerate() {
        let index = (IMPORTS.len() + at) as u32;
        kinds.ty().function(types(parameters), types(results));
        functions.function(index);
        exports.export(name, ExportKind::Func, index);
        let mut body = Function::new([]);
        body.instruction(&Instruction::Unreachable)
            .instruction(&Instruction::End);
        code.function(&body);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: Some(PAGES),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    exports.export("memory", ExportKind::Memory, 0);
    let mut out = Module::new();
    out.section(&kinds)
        .section(&imports)
        .section(&functions)
        .section(&memories);
    out.section(&exports).section(&code);
    out.finish()
}

/// Half of them never trap by an instruction of their own, and so come to what lies behind.
fn config(shape: Vec<u8>, disallow_traps: bool) -> wasm_smith::Config {
    wasm_smith::Config {
        module_shape: Some(shape),
        disallow_traps,
        max_funcs: 20,
        max_instructions: 200,
        max_memories: 1,
        max_memory32_bytes: PAGES << 16,
        max_table_elements: 64,
        table_max_size_required: true,
        // What ABI 1 leaves out.
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        // References to anything but functions: the sandbox has no collector.
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Default::default()
    }
}

/// Which index what has, in a module of wasm-smith's: its order is its own.
struct Names {
    /// Of IMPORTS.
    imports: Vec<u32>,
    /// By index among the module's own functions: the name of the export.
    exports: Vec<Option<String>>,
}

/// Copies a module, and puts in what the head of this file says.
struct Filler {
    random: Random,
    callbacks: i32,
    names: Names,
    at: usize,
}

impl Filler {
    fn store(body: &mut Function, address: i32, value: i32) {
        let place = MemArg {
            offset: 0,
            align: 2,
            memory_index: 0,
        };
        body.instruction(&Instruction::I32Const(address))
            .instruction(&Instruction::I32Const(value))
            .instruction(&Instruction::I32Store(place));
    }

    fn describe(&self) -> Function {
        let mut body = Function::new([]);
        let said = [1, self.callbacks].into_iter().chain(PLACES);
        for (at, value) in said.enumerate() {
            Self::store(&mut body, DESCRIPTION + 4 * at as i32, value);
        }
        body.instruction(&Instruction::I32Const(DESCRIPTION))
            .instruction(&Instruction::End);
        body
    }

    fn number(&mut self, kind: char) -> i32 {
        let any = self.random.next() as i32;
        let wild = self.random.below(500) == 0;
        match kind {
            _ if wild => any,
            'p' => self.random.below(60000) as i32,
            's' => {
                let most = if self.random.below(20) == 0 { 5000 } else { 40 };
                self.random.below(most) as i32
            }
            'n' => self.random.below(3) as i32,
            _ if self.random.below(2) == 0 => self.random.below(200) as i32,
            _ => any,
        }
    }

    fn argument(&mut self, body: &mut Function, kind: char) {
        match kind {
            'I' => {
                let most = 1 << self.random.below(63);
                body.instruction(&Instruction::I64Const(self.random.below(most) as i64));
            }
            'f' => {
                body.instruction(&Instruction::F64Const(
                    f64::from_bits(self.random.next()).into(),
                ));
            }
            // What the module itself has left in its memory, or the host.
            'i' | 'n' if self.random.below(4) == 0 => {
                let place = MemArg {
                    offset: 0,
                    align: 0,
                    memory_index: 0,
                };
                body.instruction(&Instruction::I32Const(self.random.below(60000) as i32))
                    .instruction(&Instruction::I32Load(place));
            }
            _ => {
                let number = self.number(kind);
                body.instruction(&Instruction::I32Const(number));
            }
        }
    }

    /// Some of the first ones: mostly an action that exists, the rest of it anything.
    fn give_verdicts(&mut self, body: &mut Function) {
        for at in 0..self.random.below(20) as i32 {
            let action = self.random.below(6) as i32;
            let first = self.random.next() as i32 & !0xff | action;
            let count = self.random.below(300) as i32;
            Self::store(body, PLACES[1] + 32 * at, first);
            Self::store(body, PLACES[1] + 32 * at + 8, self.number('s') * 8);
            Self::store(body, PLACES[1] + 32 * at + 12, count);
        }
    }

    fn call_imports(&mut self, body: &mut Function) {
        for _ in 0..self.random.below(CALLS) {
            let which = self.random.below(IMPORTS.len() as u64) as usize;
            let (_, parameters, results) = IMPORTS[which];
            for kind in format!("i{parameters}").chars() {
                self.argument(body, kind);
            }
            body.instruction(&Instruction::Call(self.names.imports[which]));
            if !results.is_empty() {
                body.instruction(&Instruction::Drop);
            }
        }
    }
}

impl Reencode for Filler {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        source: wasmparser::FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let name = self.names.exports[self.at].clone();
        self.at += 1;
        if name.as_deref() == Some("entresol_describe") {
            code.function(&self.describe());
            return Ok(());
        }
        let mut body = self.new_function_with_parsed_locals(&source)?;
        if name.is_some() {
            self.give_verdicts(&mut body);
            self.call_imports(&mut body);
        }
        let mut reader = source.get_operators_reader()?;
        while !reader.eof() {
            body.instruction(&self.parse_instruction(&mut reader)?);
        }
        code.function(&body);
        Ok(())
    }
}

fn names(module: &[u8]) -> Names {
    let mut imports = vec![0; IMPORTS.len()];
    let mut exports = Vec::new();
    let mut first_own = 0;
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        match payload.expect("wasm-smith writes modules") {
            wasmparser::Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let name = import.expect("an import").name;
                    let which = IMPORTS.iter().position(|(known, _, _)| *known == name);
                    imports[which.expect("an import of ours")] = first_own;
                    first_own += 1;
                }
            }
            wasmparser::Payload::FunctionSection(section) => {
                exports.resize(section.count() as usize, None);
            }
            wasmparser::Payload::ExportSection(section) => {
                for export in section {
                    let export = export.expect("an export");
                    let own = export.index.wrapping_sub(first_own) as usize;
                    if export.kind == wasmparser::ExternalKind::Func && own < exports.len() {
                        exports[own] = Some(export.name.to_string());
                    }
                }
            }
            _ => {}
        }
    }
    Names { imports, exports }
}

fn module(seed: u64, shape: &[u8]) -> Vec<u8> {
    let mut random = Random(seed);
    let octets: Vec<u8> = (0..1024)
        .flat_map(|_| random.next().to_le_bytes())
        .collect();
    let mut source = arbitrary::Unstructured::new(&octets);
    let smith = wasm_smith::Module::new(config(shape.to_vec(), seed % 2 == 0), &mut source)
        .expect("enough octets for a module")
        .to_bytes();
    let mut filler = Filler {
        callbacks: 4 | random.below(32) as i32,
        random,
        names: names(&smith),
        at: 0,
    };
    let mut out = Module::new();
    filler
        .parse_core_module(&mut out, wasmparser::Parser::new(0), &smith)
        .expect("what wasm-smith writes can be copied");
    let out = out.finish();
    if let Err(error) = wasmparser::Validator::new_with_features(FEATURES).validate_all(&out) {
        panic!("the module of seed {seed} is none: {error}");
    }
    out
}

fn main() {
    let words: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let [first, count] = words[..] else {
        eprintln!("entresol_smith FIRST COUNT");
        std::process::exit(2);
    };
    let shape = shape();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for seed in first..first + count {
        let octets = module(seed, &shape);
        for part in [
            &(seed as u32).to_le_bytes()[..],
            &(octets.len() as u32).to_le_bytes(),
            &octets,
        ] {
            out.write_all(part).expect("standard output");
        }
    }
}
