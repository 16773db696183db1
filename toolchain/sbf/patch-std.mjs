// Teaches a copy of Rust's standard library about target_os = "solana".
//
//   node patch-std.mjs <path of the copied library/ folder>
//
// Each edit is found by its text and must match exactly the stated number of times; anything else stops the
// installation with the file and the text that moved, because a half-patched library links and then misbehaves.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const library = process.argv[2];
if (!library) throw new Error("usage: node patch-std.mjs <library folder>");

/** Replaces `from` (a string, or a regular expression with the g flag) by `to`, which must happen `times` times. */
function edit(file, from, to, times = 1) {
  const path = join(library, file);
  const before = readFileSync(path, "utf8");
  let count = 0;
  const pattern = typeof from === "string" ? from.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") : from.source;
  const after = before.replace(new RegExp(pattern, "g"), (...match) => {
    count += 1;
    return typeof to === "function" ? to(...match) : to;
  });
  if (count !== times) {
    console.error(`patch-std: ${file}: expected ${times} place(s) matching ${from}, found ${count}.`);
    console.error("The library source is not the version this recipe was written for; see toolchain/versions.env.");
    process.exit(1);
  }
  writeFileSync(path, after);
}

// vexos is a single-threaded target without an operating system: solana takes the same branches.
const beside_vexos = 'target_os = "vexos",';
const with_solana = 'target_os = "vexos", target_os = "solana",';
edit("std/src/sys/io/error/mod.rs", beside_vexos, with_solana);
edit("std/src/sys/random/mod.rs", beside_vexos, with_solana, 2);
edit("std/src/sys/thread_local/mod.rs", beside_vexos, with_solana, 2);

// The program brings its own global allocator; System exists only so that std compiles, and has no memory to give.
edit("std/src/sys/alloc/mod.rs", 'target_arch = "xtensa",\n)) {\n    8', 'target_arch = "xtensa",\n    target_arch = "bpf",\n)) {\n    8');
edit("std/src/sys/alloc/mod.rs", 'target_os = "zkvm" => {\n        mod zkvm;\n    }', (match) => `${match}
    target_os = "solana" => {
        #[stable(feature = "alloc_system_type", since = "1.28.0")]
        unsafe impl GlobalAlloc for System {
            unsafe fn alloc(&self, _: Layout) -> *mut u8 {
                ptr::null_mut()
            }
            unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
        }
    }`);

// A panic is logged by the program's own custom_panic and ends in the abort system call. The unwinding machinery and
// its mutable statics, which SBPF cannot hold, must not survive: EMPTY_PANIC exists to keep them alive.
edit(
  "std/src/panicking.rs",
  "pub fn panic_handler(info: &core::panic::PanicInfo<'_>) -> ! {",
  (match) => `${match}
    #[cfg(target_os = "solana")]
    {
        unsafe extern "Rust" {
            fn custom_panic(info: &core::panic::PanicInfo<'_>);
        }
        unsafe extern "C" {
            fn abort() -> !;
        }
        unsafe {
            custom_panic(info);
            abort()
        }
    }
    #[cfg(not(target_os = "solana"))]
    hosted_panic_handler(info)
}

#[cfg(not(target_os = "solana"))]
fn hosted_panic_handler(info: &core::panic::PanicInfo<'_>) -> ! {`,
);
edit("std/src/panicking.rs", /#\[used\(compiler\)\]\npub static EMPTY_PANIC: fn\(&'static str\) -> ! =\n\s*begin_panic::<&'static str> as fn\(&'static str\) -> !;/, '#[cfg(not(target_os = "solana"))]\n#[used(compiler)]\npub static EMPTY_PANIC: fn(&\'static str) -> ! = begin_panic::<&\'static str> as fn(&\'static str) -> !;');

// The allocation-error hook is a mutable static as well.
edit("std/src/alloc.rs", /pub fn rust_oom\(layout: Layout\) -> ! \{\n/, (match) => `${match}    #[cfg(target_os = "solana")]
    panic!("memory allocation of {} bytes failed", layout.size());
    #[cfg(not(target_os = "solana"))]
`);

// Hash keys normally live in a thread local; a program must be deterministic anyway.
edit("std/src/hash/random.rs", /pub fn new\(\) -> RandomState \{\n/, (match) => `${match}        #[cfg(target_os = "solana")]
        return RandomState { k0: 0, k1: 0 };
        #[cfg(not(target_os = "solana"))]
        return {
`);
edit("std/src/hash/random.rs", /(keys\.set\(\(k0\.wrapping_add\(1\), k1\)\);\n\s*RandomState \{ k0, k1 \}\n\s*\}\))\n/, (_, body) => `${body}\n        };\n`);
console.log(`patched ${library}`);
