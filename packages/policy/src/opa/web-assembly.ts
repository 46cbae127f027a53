// Node's types do not declare WebAssembly, and those of browsers declare much that Node lacks.
declare const WebAssembly: WebAssemblyApi

/** The part of WebAssembly that policies need. */
interface WebAssemblyApi {
  readonly compile: (bytes: Uint8Array) => Promise<object>
  readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => WasmMemory
  readonly Module: { readonly imports: (module: object) => readonly WasmImport[] }
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> }
}

/** The memory of an instance. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer
  /** @throws {RangeError} beyond the maximum */
  readonly grow: (pages: number) => number
}

/** An import that a module needs from its host. */
interface WasmImport {
  readonly module: string
  readonly name: string
}

/** `WebAssembly`, with types. */
export const webAssembly: WebAssemblyApi = WebAssembly

/** Bytes. */
export const wasmPage: number = 64 * 1024
