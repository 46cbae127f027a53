import { wasmPage, type WasmMemory, webAssembly } from './web-assembly.ts'

/** A function that a policy calls in its host. Receives and returns JSON values; `undefined` means no result. */
export type OpaBuiltin = (...values: readonly unknown[]) => unknown

/** The parts of an instance. */
export interface OpaParts {
  readonly module: object
  /** The document `data`, as JSON. */
  readonly data: string
  readonly builtins: ReadonlyMap<string, OpaBuiltin>
  /** The maximum memory, in bytes. */
  readonly maxMemory: number
}

/**
 * An instance of a policy in WebAssembly (https://www.openpolicyagent.org/docs/wasm, ABI 1.2). After any exception its
 * state is unknown, and it must not be used again.
 */
export class OpaInstance {
  readonly #memory: WasmMemory
  readonly #exports: Readonly<Record<string, unknown>>
  readonly #data: number
  readonly #heap: number
  /** The entry points by name. */
  readonly entrypoints: ReadonlyMap<string, number>
  /** The built-in functions that the policy calls in its host, by their numbers. */
  readonly required: ReadonlyMap<number, string>

  /** @throws {unknown} anything, strings included, if the module is not such a policy or the memory is too small */
  constructor(parts: OpaParts) {
    const { memory, exports } = instantiate(parts, (id, values) => this.#callBuiltin(parts.builtins, id, values))
    this.#memory = memory
    this.#exports = exports
    const [version, minor] = ['opa_wasm_abi_version', 'opa_wasm_abi_minor_version'].map((name) =>
      readGlobal(exports[name]),
    )
    if (version !== 1 || minor === undefined || minor < 2) {
      throw new Error(`found a policy with ABI ${version}.${minor}, expected 1.2 or a later 1.x`)
    }
    this.required = invert(readNumbers(this.#dump(this.#call('builtins'))))
    this.entrypoints = readNumbers(this.#dump(this.#call('entrypoints')))
    this.#data = this.#load(parts.data)
    this.#heap = this.#call('opa_heap_ptr_get')
  }

  /** The size of the memory in bytes, which only grows. */
  get memorySize(): number {
    return this.#memory.buffer.byteLength
  }

  /**
   * Evaluates an entry point with an input in JSON, and returns the result set.
   *
   * @throws {unknown} anything, strings included
   */
  evaluate(entrypoint: number, input: string): unknown {
    const bytes = encoder.encode(input)
    const missing = this.#heap + bytes.byteLength - this.memorySize
    if (missing > 0) this.#memory.grow(Math.ceil(missing / wasmPage))
    new Uint8Array(this.#memory.buffer).set(bytes, this.#heap)
    const free = this.#heap + bytes.byteLength
    // The first and the last argument are reserved, and the format of the result: JSON.
    const found = this.#call('opa_eval', 0, entrypoint, this.#data, this.#heap, bytes.byteLength, free, 0)
    return JSON.parse(readText(this.#memory, found))
  }

  #load(json: string): number {
    const bytes = encoder.encode(json)
    const address = this.#call('opa_malloc', bytes.byteLength)
    new Uint8Array(this.#memory.buffer).set(bytes, address)
    const value = this.#call('opa_json_parse', address, bytes.byteLength)
    if (value === 0) throw new Error('a value could not be loaded')
    return value
  }

  #dump(value: number): unknown {
    return JSON.parse(readText(this.#memory, this.#call('opa_json_dump', value)))
  }

  #call(name: string, ...values: readonly number[]): number {
    const called: unknown = this.#exports[name]
    if (typeof called !== 'function') throw new Error(`found a module without ${name}, expected a policy of OPA`)
    const result: unknown = Reflect.apply(called, undefined, values)
    return typeof result === 'number' ? result : 0
  }

  #callBuiltin(builtins: ReadonlyMap<string, OpaBuiltin>, id: number, values: readonly number[]): number {
    const name = this.required.get(id) ?? ''
    const builtin = builtins.get(name)
    if (builtin === undefined) throw new Error(`the built-in function ${name} is not implemented`)
    const result = builtin(...values.map((value) => this.#dump(value)))
    // Zero is an undefined value. A promise has no JSON, and would count as an empty object.
    if (result === undefined) return 0
    if (result instanceof Promise) throw new Error(`the built-in function ${name} returned a promise`)
    return this.#load(JSON.stringify(result))
  }
}

function instantiate(
  { module, maxMemory }: OpaParts,
  callBuiltin: (id: number, values: readonly number[]) => number,
): { readonly memory: WasmMemory; readonly exports: Readonly<Record<string, unknown>> } {
  const maximum = Math.floor(maxMemory / wasmPage)
  const memory = new webAssembly.Memory({ initial: Math.min(initialPages, maximum), maximum })
  // The second argument is reserved.
  const builtin = (id: number, _context: number, ...values: readonly number[]): number => callBuiltin(id, values)
  const env = {
    memory,
    opa_abort: (message: number): never => {
      throw new Error(readText(memory, message).slice(0, 256))
    },
    // Ignore `print` of a policy, which would write to the output of the service.
    opa_println: (): void => undefined,
    opa_builtin0: builtin,
    opa_builtin1: builtin,
    opa_builtin2: builtin,
    opa_builtin3: builtin,
    opa_builtin4: builtin,
  }
  return { memory, exports: new webAssembly.Instance(module, { env }).exports }
}

function readText(memory: WasmMemory, address: number): string {
  const bytes = new Uint8Array(memory.buffer)
  const end = bytes.indexOf(0, address)
  if (end === -1) throw new Error('a string is not terminated')
  return decoder.decode(bytes.subarray(address, end))
}

function readGlobal(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('value' in value)) return undefined
  return typeof value.value === 'number' ? value.value : undefined
}

function readNumbers(value: unknown): ReadonlyMap<string, number> {
  if (typeof value !== 'object' || value === null) throw new Error('found a list of names that is not an object')
  return new Map(Object.entries(value).map(([name, number]: [string, unknown]) => [name, Number(number)]))
}

function invert(numbers: ReadonlyMap<string, number>): ReadonlyMap<number, string> {
  return new Map(Array.from(numbers, ([name, number]) => [number, name]))
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** More than the module declares, so that the first decisions need not grow it. */
const initialPages = 16
