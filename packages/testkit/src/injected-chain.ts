import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * Runs one injected request in which the guard's source finds the caller's chain. Nothing outside this package can
 * put a chain there, so no request from a network ever has one.
 */
export function runWithChain<Result>(chain: readonly Uint8Array[], run: () => Result): Result {
  return injected.run({ chain }, run)
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

const injected = new AsyncLocalStorage<{ chain: readonly Uint8Array[] | undefined }>()
