import type { Authorizer, AuthorizerQuestion } from '@countersign/core'
import type { AuthorizerVerdict } from '../../packages/core/src/authorizer/answer.ts'
import { parseAuthorizer } from '../../packages/core/src/authorizer/authorizer.ts'
import { AuthorizerCalls } from '../../packages/core/src/authorizer/authorizer-calls.ts'
import type { Moment } from '../../packages/core/src/authorizer/answer-cache.ts'

/** A question of a caller, of this name or anonymous. */
export function questionOf(name: string | null, about: Partial<AuthorizerQuestion> = {}): AuthorizerQuestion {
  const principal = name === null ? null : { name, authorities: [`SERVICE_${name}`], credential: 'x509-svid' as const }
  return { principal, method: 'GET', path: '/open', host: 'a', headers: {}, ...about }
}

/** Calls of an authorizer, with a clock that the test sets. */
export interface Asking {
  readonly calls: AuthorizerCalls
  readonly clock: { wall: number; steady: number }
  ask(
    question: AuthorizerQuestion,
    context?: { readonly generation?: number; readonly proxy?: string },
    departed?: AbortSignal,
  ): AuthorizerVerdict | Promise<AuthorizerVerdict>
}

export function createAsking(options: Partial<Authorizer> & Pick<Authorizer, 'decide'>): Asking {
  const clock = { wall: 1_000_000, steady: 0 }
  const now = (): Moment => ({ ...clock })
  const calls = new AuthorizerCalls(parseAuthorizer({ name: 'engine', ...options }, 'authorizer'), now)
  return {
    calls,
    clock,
    ask: (question, { generation = 1, proxy } = {}, departed = new AbortController().signal) =>
      calls.ask(question, { generation, proxy }, departed),
  }
}
