import { describeValue } from '@countersign/spiffe/options'

/** The decision of an authorizer, or why there is none. */
export type AuthorizerVerdict =
  | { readonly outcome: 'allow' }
  | { readonly outcome: 'deny'; readonly reason: string | undefined }
  | { readonly outcome: 'undefined' }
  | { readonly outcome: 'failed'; readonly detail: string }

/**
 * Parses what an authorizer returned. Accepts `true`, `false`, `undefined`, and an object with only `allow` and
 * `reason`. Everything else is a failure, so a truthy value never counts as permission. Never throws.
 */
export function parseAnswer(value: unknown): AuthorizerVerdict {
  if (value === true) return allowed
  if (value === false) return denied
  if (value === undefined) return noResult
  try {
    return parseObject(value)
  } catch {
    // A getter or a proxy may throw anything.
    return malformed('an object that cannot be read')
  }
}

/** Returns a failure with this detail, cut to 256 characters. */
export function createFailure(detail: string): AuthorizerVerdict {
  return { outcome: 'failed', detail: detail.slice(0, longest) }
}

// Own properties only, so that a polluted prototype grants nothing. Each is read once, because a getter may return
// another value the second time.
function parseObject(value: unknown): AuthorizerVerdict {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return malformed(describeValue(value))
  const unknown = Reflect.ownKeys(value).find((key) => key !== 'allow' && key !== 'reason')
  if (unknown !== undefined) return malformed(`an object with the unknown property ${describeKey(unknown)}`)
  const allow: unknown = Object.hasOwn(value, 'allow') ? Reflect.get(value, 'allow') : undefined
  const reason: unknown = Object.hasOwn(value, 'reason') ? Reflect.get(value, 'reason') : undefined
  if (typeof allow !== 'boolean') return malformed(`allow: ${describeValue(allow)}`)
  if (reason !== undefined && typeof reason !== 'string') return malformed(`reason: ${describeValue(reason)}`)
  if (allow) return allowed
  return reason === undefined ? denied : { outcome: 'deny', reason: reason.slice(0, longest) }
}

function describeKey(key: string | symbol): string {
  return typeof key === 'string' ? `'${key.slice(0, 64)}'` : 'of type symbol'
}

function malformed(found: string): AuthorizerVerdict {
  return createFailure(`it returned ${found}, expected true, false or { allow, reason }`)
}

const allowed: AuthorizerVerdict = Object.freeze({ outcome: 'allow' })
const denied: AuthorizerVerdict = Object.freeze({ outcome: 'deny', reason: undefined })
const noResult: AuthorizerVerdict = Object.freeze({ outcome: 'undefined' })

/** Characters of a reason or a detail. */
const longest = 256
