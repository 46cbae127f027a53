import { parseOptions, refuseValue } from '@countersign/spiffe/options'

/**
 * Parses the options object of a format whose header names the operator chooses. Returns the names in lower case;
 * `header` is required.
 *
 * @throws {ConfigurationError} `option_invalid` for anything except different names of headers without another meaning,
 * `option_unknown` for an unknown key
 */
export function parseHeaderNames<Key extends string>(
  input: unknown,
  optional: readonly Key[],
  where: string,
): { readonly header: string } & Readonly<Partial<Record<Key, string>>> {
  const options = parseOptions(input, ['header', ...optional], where)
  const header = parseHeaderName(options['header'], `${where}.header`)
  const others: Partial<Record<Key, string>> = {}
  const taken = new Set([header])
  for (const key of optional) {
    if (options[key] === undefined) continue
    const name = parseHeaderName(options[key], `${where}.${key}`)
    if (taken.has(name)) refuseValue(`${where}.${key}`, options[key], 'a header of its own')
    taken.add(name)
    others[key] = name
  }
  return { header, ...others }
}

function parseHeaderName(input: unknown, where: string): string {
  const expected = "the name of a header, such as 'X-SSL-Client-Cert'"
  // RFC 9110 §5.6.2
  if (typeof input !== 'string' || !/^[\w!#$%&'*+.^`|~-]{1,128}$/.test(input))
    return refuseValue(where, input, expected)
  const name = input.toLowerCase()
  return reserved.has(name) ? refuseValue(where, input, `${expected}; this one has another meaning`) : name
}

// Handlers do not see the configured headers, and routers and parsers need these.
const reserved: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'date',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'origin',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
])
