import type { AuthorizerPrincipal, AuthorizerQuestion } from '@countersign/authorization'
import type { Principal } from '../principal/principal.ts'

/** The facts that a question is created from. */
export interface QuestionFacts {
  readonly principal: Principal | null
  readonly method: string
  /** The path without the query. */
  readonly path: string
  /** Alternating names and values, as in Node's `rawHeaders`. */
  readonly rawHeaders: readonly string[]
  readonly revision?: string | undefined
}

/**
 * Creates the question about a request, with the listed headers (in lower case). Returns undefined if it would be too
 * large, because a shortened question could get the answer to another one.
 */
export function createQuestion(facts: QuestionFacts, headers: readonly string[]): AuthorizerQuestion | undefined {
  const { principal, method, path, rawHeaders, revision } = facts
  const lines = headers.map((name): readonly [string, readonly string[]] => [name, findLines(rawHeaders, name)])
  const size = path.length + lines.reduce((sum, [, values]) => sum + values.join('').length, 0)
  if (size > largest) return undefined
  return Object.freeze({
    principal: principal === null ? null : describePrincipal(principal),
    method,
    path,
    host: findHost(rawHeaders),
    // Safe for any name, such as `__proto__`.
    headers: Object.freeze(Object.fromEntries(lines)),
    ...(revision !== undefined && { revision }),
  })
}

// Without functions and the proof, so that the question is plain data.
function describePrincipal(principal: Principal): AuthorizerPrincipal {
  const kept = described.get(principal)
  if (kept !== undefined) return kept
  const { name, trustDomain, namespace, serviceAccount, authorities, credential } = principal
  const created: AuthorizerPrincipal = Object.freeze({
    name,
    ...(trustDomain !== undefined && { trustDomain }),
    ...(namespace !== undefined && { namespace }),
    ...(serviceAccount !== undefined && { serviceAccount }),
    authorities,
    credential,
  })
  described.set(principal, created)
  return created
}

const described = new WeakMap<Principal, AuthorizerPrincipal>()

function findLines(rawHeaders: readonly string[], name: string): readonly string[] {
  const lines = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)
  return Object.freeze(lines)
}

// The target parser accepted the request, so there is one host, and it is the same in both places.
function findHost(rawHeaders: readonly string[]): string {
  const [line = ''] = [...findLines(rawHeaders, ':authority'), ...findLines(rawHeaders, 'host')]
  const host = line.toLowerCase().replace(/:\d*$/, '')
  return host.endsWith('.') ? host.slice(0, -1) : host
}

/** Characters of the path and the headers. */
const largest = 16 * 1024
