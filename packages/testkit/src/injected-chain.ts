import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { channels } from '@countersign/core'

/** The result of an injected request. */
export interface Injection<Result> {
  readonly result: Result
  /**
   * What the guard did:
   *
   * - `authenticated`: a guard read the caller.
   * - `denied`: it denied the request without reading the caller.
   * - `unknown_source`: it denied the request because its source is not one of the testkit's.
   * - `unguarded`: no guard saw the request.
   */
  readonly outcome: 'authenticated' | 'denied' | 'unknown_source' | 'unguarded'
}

/**
 * Runs one injected request in which the guard's source finds the caller's chain. Only this package can set a chain, so
 * a request from a network never has one.
 */
export async function runWithChain<Result>(
  chain: readonly Uint8Array[],
  run: () => Promise<Result>,
): Promise<Injection<Result>> {
  const store: Injected = { chain, denial: undefined }
  // A guard publishes a denial while deciding, and so in the context of the denied request.
  const note = (event: unknown): void => {
    if (injected.getStore() === store) store.denial ??= readReason(event)
  }
  subscribe(channels.denial, note)
  try {
    const result = await injected.run(store, run)
    return { result, outcome: describe(store) }
  } finally {
    unsubscribe(channels.denial, note)
  }
}

/**
 * Returns the chain of the current request, once. A handler that injects another request runs in the same asynchronous
 * context, and that request must not inherit the caller.
 */
export function takeInjectedChain(): readonly Uint8Array[] | undefined {
  const store = injected.getStore()
  const chain = store?.chain
  if (store !== undefined) store.chain = undefined
  return chain
}

interface Injected {
  /** Undefined once a guard has read it. */
  chain: readonly Uint8Array[] | undefined
  /** The reason of the first denial. */
  denial: string | undefined
}

const injected = new AsyncLocalStorage<Injected>()

function readReason(event: unknown): string {
  return typeof event === 'object' && event !== null ? String(Reflect.get(event, 'reason')) : ''
}

function describe({ chain, denial }: Injected): Injection<unknown>['outcome'] {
  if (chain === undefined) return 'authenticated'
  if (denial === undefined) return 'unguarded'
  return denial === 'unauthenticated' ? 'unknown_source' : 'denied'
}
