import type { Denial, Guard, Principal } from '@countersign/core'
import { forAdapter, type GuardedRequest, type RequestRouting } from '@countersign/core/adapter'

/** Decides a request of a guard whose callers all have certificates, so that no decision waits or is about nobody. */
export function admitNow(guard: Guard, request: GuardedRequest, routing?: RequestRouting): Principal | Denial {
  const verdict = forAdapter(guard).admit(request, routing)
  if (verdict === null || verdict instanceof Promise)
    throw new Error('expected a decision about an authenticated caller')
  return verdict
}
