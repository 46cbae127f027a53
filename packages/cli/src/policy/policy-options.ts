import { type CredentialKind, ConfigurationError, SpiffeId } from '@countersign/core'
import { describeThrown, findNearest } from '@countersign/spiffe/options'
import { readAuthorities } from './read-authorities.ts'

/** The flags of `countersign policy`, as given on the command line. */
export interface PolicyFlags {
  readonly as?: string
  readonly trustDomain?: readonly string[]
  readonly namespace?: readonly string[]
  readonly authorities?: string
  readonly accept?: readonly string[]
  readonly permissive?: true
  readonly json?: true
  readonly strict?: true
  readonly credential?: string
  readonly header?: readonly string[]
  readonly host?: string
  readonly port?: string
  readonly address?: string
  readonly log?: string
  readonly html?: string
  readonly routes?: string
}

/** The service whose guard is simulated, in the form of `simulateGuard`. */
export interface SimulatedService {
  readonly own: string
  readonly trustDomains?: readonly string[]
  readonly namespaces?: readonly string[]
  readonly authorities?: (id: string) => readonly string[]
  readonly credentials?: readonly CredentialKind[]
  readonly permissive?: boolean
}

/**
 * Parses the options that describe the service.
 *
 * @throws {ConfigurationError} `option_invalid` without `--as`, or for a value that is not valid
 */
export async function parseService(flags: PolicyFlags): Promise<SimulatedService> {
  const { as, trustDomain, namespace, authorities, accept, permissive = false } = flags
  if (as === undefined)
    refuseFlag(
      '--as',
      undefined,
      'the SPIFFE ID of the service, such as spiffe://saas.example/ns/production/sa/billing',
    )
  return {
    own: parseId('--as', as),
    ...(trustDomain !== undefined && { trustDomains: trustDomain }),
    ...(namespace !== undefined && { namespaces: namespace }),
    ...(authorities !== undefined && { authorities: await readAuthorities(authorities) }),
    ...(accept !== undefined && { credentials: accept.map((kind) => parseCredential('--accept', kind)) }),
    permissive,
  }
}

/**
 * Parses the name of a caller on the command line: a SPIFFE ID, or `anonymous`, which is null.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseCaller(text: unknown): string | null {
  return text === 'anonymous' ? null : parseId('the caller', String(text), " or 'anonymous'")
}

/** @throws {ConfigurationError} `option_invalid` */
export function parseCredential(option: string, text: string): CredentialKind {
  const found = credentialKinds.find((kind) => kind === text)
  return found ?? refuseFlag(option, text, `one of ${credentialKinds.join(', ')}`, findNearest(text, credentialKinds))
}

const credentialKinds: readonly CredentialKind[] = ['x509-svid', 'forwarded', 'asserted', 'jwt-svid']

function parseId(option: string, text: string, orElse = ''): string {
  try {
    return SpiffeId.parse(text).toString()
  } catch (error) {
    return refuseFlag(
      option,
      text,
      `a SPIFFE ID such as spiffe://saas.example/ns/x/sa/y${orElse}: ${describeThrown(error)}`,
    )
  }
}

/** @throws {ConfigurationError} `option_invalid` */
export function refuseFlag(option: string, found: string | undefined, expected: string, nearest?: string): never {
  const shown = found === undefined ? 'nothing' : `'${found.length > 80 ? `${found.slice(0, 79)}…` : found}'`
  const suggestion = nearest === undefined ? '' : `; did you mean '${nearest}'?`
  throw new ConfigurationError('option_invalid', `${option}: found ${shown}, expected ${expected}${suggestion}`, {
    value: found,
  })
}
