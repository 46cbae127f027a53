import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { channels } from '@countersign/core'

/** What became of an injected request. */
export interface Injection<Result> {
  readonly result: Result
  /**
   * `authenticated`: a guard asked who is calling; `denied`: it denied the request without asking; `unknown_source`: it
   * denied it because its source is not one of the testkit's; `unguarded`: no guard has seen the request.
   */
  readonly outcome: 'authenticated' | 'denied' | 'unknown_source' | 'unguarded'
}

/**
 * Runs one injected request in which the guard's source finds the caller's chain. Nothing outside this package can
 * put a chain there, so no request from a network ever has one.
 */
export async function runWithChain<Result>(
  chain: readonly Uint8Array[],
  run: () => Promise<Result>,
): Promise<Injection<Result>> {
  const store: Injected = { chain, denial: undefined }
  // A guard publishes a denial where it decides, which is inside the request that it denies.
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
 * The chain of the request that is running, once: a handler that injects a request of its own runs in the same
 * asynchronous context and must not lend it its caller.
 */
export function takeInjectedChain(): readonly Uint8Array[] | undefined {
  const store = injected.getStore()
  const chain = store?.chain
  if (store !== undefined) store.chain = undefined
  return chain
}

interface Injected {
  /** Undefined once a guard has asked for it. */
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
