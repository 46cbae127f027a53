import { readFile } from 'node:fs/promises'
import type { Authorizer, AuthorizerAnswer, AuthorizerQuestion } from '@countersign/authorization'
import { ConfigurationError } from '@countersign/spiffe/id'
import { describeThrown, isCallable, isOptions, parseOptions, refuseValue } from '@countersign/spiffe/options'
import { type OpaBuiltin, OpaInstance, type OpaParts } from './opa-instance.ts'
import { webAssembly } from './web-assembly.ts'

/** Options of `opaAuthorizer`. */
export interface OpaOptions extends Omit<Authorizer, 'name' | 'decide'> {
  /** The policy as WebAssembly: `policy.wasm` of a bundle that `opa build --target wasm` wrote, or the path of that file. */
  readonly wasm: Uint8Array | string
  /** The document `data`, as a JSON value. Default: an empty object. */
  readonly data?: Readonly<Record<string, unknown>>
  /** The entry point, as it was named with `--entrypoint`. Default: the only one of the policy. */
  readonly entrypoint?: string
  /** The name in denials, events and explanations. Default: `'opa'`. */
  readonly name?: string
  /**
   * Built-in functions of Rego that OPA does not compile to WebAssembly, such as `sprintf`. They are called with JSON
   * values, and must return at once. Default: none. A policy that needs others is rejected.
   */
  readonly builtins?: Readonly<Record<string, (...values: readonly unknown[]) => unknown>>
  /** The maximum memory of the policy, in bytes. Default: 64 MiB. */
  readonly maxMemory?: number
}

/**
 * Loads a policy of Open Policy Agent as an authorizer. It decides in process and synchronously. Its `input` is the
 * `AuthorizerQuestion`, with `time` in seconds since 1970. The decision is `true`, `false` or `{ allow, reason }`.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`: also if the policy calls a built-in function that
 * is not available, does not have the entry point, or does not load in `maxMemory`
 * @example
 * createGuard({ source, rules, authorizer: await opaAuthorizer({ wasm: 'policy.wasm', data: { grants } }) })
 */
export async function opaAuthorizer(options: OpaOptions): Promise<Authorizer> {
  parseOptions(options, knownOptions, 'opaAuthorizer')
  const { wasm, data = {}, entrypoint, name = 'opa', builtins = {}, maxMemory = 64 * 1024 * 1024, ...limits } = options
  if (!isOptions(data)) refuseValue('opaAuthorizer: data', data, 'an object of JSON values')
  if (!Number.isSafeInteger(maxMemory) || maxMemory < 1024 * 1024 || maxMemory > largestMemory) {
    refuseValue('opaAuthorizer: maxMemory', maxMemory, '1048576 (1 MiB) to 4294967296 bytes')
  }
  const parts: OpaParts = {
    module: await compile(wasm),
    data: writeData(data),
    builtins: parseBuiltins(builtins),
    maxMemory,
  }
  const first = load(parts)
  const number = findEntrypoint(first.entrypoints, entrypoint)
  const policy = new OpaPolicy(parts, first)
  return Object.freeze({ ...limits, name, decide: (question: AuthorizerQuestion) => policy.decide(number, question) })
}

const knownOptions = [
  'wasm',
  'data',
  'entrypoint',
  'name',
  'builtins',
  'maxMemory',
  'headers',
  'timeout',
  'maxConcurrent',
  'maxConcurrentPerCaller',
  'cache',
]

/** A policy with an instance, which is replaced after it failed or has grown. */
class OpaPolicy {
  readonly #parts: OpaParts
  readonly #largest: number
  #instance: OpaInstance | undefined

  constructor(parts: OpaParts, first: OpaInstance) {
    this.#parts = parts
    this.#largest = first.memorySize + growth
    this.#instance = first
  }

  decide(entrypoint: number, question: AuthorizerQuestion): AuthorizerAnswer {
    const instance = this.#instance ?? new OpaInstance(this.#parts)
    // An exception leaves the instance in an undefined state, so it is only put back after a complete decision.
    this.#instance = undefined
    const results = instance.evaluate(entrypoint, JSON.stringify({ ...question, time: Date.now() / 1000 }))
    // Memory in WebAssembly never shrinks.
    if (instance.memorySize <= this.#largest) this.#instance = instance
    return readDecision(results)
  }
}

// A result set is a list with one entry, or an empty list if the decision is undefined. The guard parses the answer.
function readDecision(results: unknown): AuthorizerAnswer {
  if (!Array.isArray(results) || results.length > 1) throw new Error('the policy did not return exactly one result')
  const result: unknown = results[0]
  if (result === undefined) return undefined
  const decision: unknown = isOptions(result) ? result['result'] : undefined
  if (typeof decision === 'boolean') return decision
  if (isAnswer(decision)) return decision
  throw new Error('the decision is neither true, false nor { allow, reason }')
}

function isAnswer(value: unknown): value is { readonly allow: boolean } {
  return isOptions(value) && typeof value['allow'] === 'boolean'
}

function writeData(data: object): string {
  try {
    return JSON.stringify(data)
  } catch (error) {
    return refuseValue('opaAuthorizer: data', describeThrown(error), 'an object of JSON values')
  }
}

async function compile(wasm: unknown): Promise<object> {
  const bytes = typeof wasm === 'string' ? await read(wasm) : wasm
  if (!(bytes instanceof Uint8Array)) refuseValue('opaAuthorizer: wasm', wasm, 'the bytes or the path of a policy.wasm')
  const module = await webAssembly.compile(bytes).catch(refuseFile)
  const imported = webAssembly.Module.imports(module).find(
    ({ module: from, name }) => from !== 'env' || !knownImports.test(name),
  )
  if (imported !== undefined)
    refuseWasm(`found the import ${imported.module}.${imported.name}, expected a policy of OPA`)
  return module
}

async function read(path: string): Promise<Uint8Array> {
  return readFile(path).catch(refuseFile)
}

const knownImports = /^(?:memory|opa_abort|opa_println|opa_builtin[0-4])$/

function load(parts: OpaParts): OpaInstance {
  let instance: OpaInstance
  try {
    instance = new OpaInstance(parts)
  } catch (error) {
    // In WebAssembly, anything may be thrown.
    return refuseWasm(typeof error === 'string' ? error : describeThrown(error))
  }
  const missing = [...instance.required.values()].filter((name) => !parts.builtins.has(name))
  if (missing.length === 0) return instance
  const names = missing.join(', ')
  return refuseWasm(
    `found calls of ${names}, which OPA does not compile to WebAssembly; pass them in builtins, or put what they return into data (input.time has the time)`,
  )
}

function findEntrypoint(entrypoints: ReadonlyMap<string, number>, name: unknown): number {
  const names = [...entrypoints.keys()]
  const wanted = name === undefined && names.length === 1 ? names[0] : name
  const number = typeof wanted === 'string' ? entrypoints.get(wanted) : undefined
  return number ?? refuseValue('opaAuthorizer: entrypoint', name, `one of ${names.join(', ')}`)
}

function parseBuiltins(input: unknown): ReadonlyMap<string, OpaBuiltin> {
  if (!isOptions(input)) refuseValue('opaAuthorizer: builtins', input, 'an object of functions')
  return new Map(
    Object.entries(input).map(([name, builtin]) =>
      isBuiltin(builtin) ? [name, builtin] : refuseValue(`opaAuthorizer: builtins.${name}`, builtin, 'a function'),
    ),
  )
}

function isBuiltin(value: unknown): value is OpaBuiltin {
  return isCallable(value)
}

function refuseFile(error: unknown): never {
  return refuseWasm(`${describeThrown(error)}; expected the bytes or the path of a policy.wasm`)
}

function refuseWasm(found: string): never {
  throw new ConfigurationError('option_invalid', `opaAuthorizer: wasm: ${found}`)
}

/** Bytes by which an instance may grow beyond its size after loading. */
const growth = 1024 * 1024

/** Bytes: what 32-bit WebAssembly can address. */
const largestMemory = 4 * 1024 * 1024 * 1024
