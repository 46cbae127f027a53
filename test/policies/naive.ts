import type { DecisionRequest } from '../../packages/authorization/src/decide.ts'
import type { PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import type { Policy, PolicyFrom, PolicyHeader, PolicyTo } from '../../packages/authorization/src/policy/policy.ts'

/**
 * Decides by trying every policy, as a reader of the documentation of `Policy` would do by hand. Shares no code with the
 * engine.
 */
export function decideNaively(policies: readonly Policy[], request: DecisionRequest, isAllowRequired: boolean): string {
  const views = listViews(request)
  if (
    policies.some((one) => one.action === 'DENY' && views.some((view) => matchNaively(one, request, view) !== 'no'))
  ) {
    return 'policy_denied'
  }
  if (!isAllowRequired && !policies.some(({ action }) => action === 'ALLOW')) return 'pass'
  let isEmergency = false
  for (const view of views) {
    if (view.isSlashDecoded) continue
    const matching = policies.filter((one) => one.action === 'ALLOW' && matchNaively(one, request, view) === 'yes')
    if (matching.length === 0) return 'no_policy'
    if (matching.every(({ breakGlass }) => breakGlass === true)) isEmergency = true
  }
  return isEmergency ? 'emergency' : 'pass'
}

/** One way in which a router or a handler may read the path of a request. */
export interface View {
  readonly path: string
  readonly semantics: PathSemantics
  readonly isSlashDecoded: boolean
}

export function listViews({ target, semantics, otherSemantics }: DecisionRequest): readonly View[] {
  const all = otherSemantics === undefined ? [semantics] : [semantics, otherSemantics]
  return all.flatMap((each) => {
    const { unneededKept = [], allKept = [], slashDecoded } = target.decoded ?? {}
    const spellings = each.comparesEscaped === 'unneeded' ? unneededKept : allKept
    const view = (path: string, isSlashDecoded = false): View => ({ path, semantics: each, isSlashDecoded })
    return [
      view(target.path),
      ...spellings.map(({ path }) => view(path)),
      ...(slashDecoded === undefined ? [] : [view(slashDecoded.path, true)]),
    ]
  })
}

type Answer = 'yes' | 'no' | 'unknown'

/** Returns whether a policy matches one reading of a request. */
export function matchNaively(policy: Policy, request: DecisionRequest, view: View): Answer {
  const { from = [undefined], to = [undefined], when = [], maxLifetime, action } = policy
  return every([
    some(from.map((entry) => (entry === undefined ? 'yes' : matchFrom(entry, request, action)))),
    some(to.map((entry) => (entry === undefined ? 'yes' : matchTo(entry, request, view, action)))),
    ...when.map((condition) => matchHeader(condition, request, action)),
    maxLifetime === undefined ? 'yes' : answer((request.principal?.lifetime ?? Infinity) <= Number(maxLifetime)),
  ])
}

function matchFrom(from: PolicyFrom, { principal, facts }: DecisionRequest, action: Policy['action']): Answer {
  if (from.anonymous === true) {
    if (principal !== null) return 'no'
  } else if (action === 'ALLOW') {
    if (principal === null) return 'no'
    const { credential } = principal
    const isWeak = credential === 'asserted' || credential === 'jwt-svid'
    if (isWeak && from.credentials?.includes(credential) !== true) return 'no'
  }
  const id = principal?.spiffeId?.toString()
  const account = (pair: string): string => `spiffe://saas.example/ns/${pair.replace('/', '/sa/')}`
  const isLocal = (namespace: string): boolean =>
    new RegExp(`^spiffe://saas\\.example/ns/${namespace}/sa/[^/]+$`).test(id ?? '')
  return every([
    list(from.callers, from.notCallers, (pattern) => id !== undefined && matchSegments(pattern.slice(9), id.slice(9))),
    list(from.serviceAccounts, from.notServiceAccounts, (pair) => id === account(pair)),
    list(from.namespaces, from.notNamespaces, isLocal),
    list(from.trustDomains, from.notTrustDomains, (name) => id?.split('/')[2] === name),
    list(from.authorities, from.notAuthorities, (name) => principal?.authorities.includes(name) === true),
    list(from.credentials, from.notCredentials, (kind) => principal?.credential === kind),
    listAddresses(from.ipBlocks, from.notIpBlocks, facts?.socketAddress),
    listAddresses(from.remoteIpBlocks, from.notRemoteIpBlocks, facts?.remoteAddress),
  ])
}

function matchTo(
  to: PolicyTo,
  { method, facts, target }: DecisionRequest,
  view: View,
  action: Policy['action'],
): Answer {
  const isMethod = (name: string): boolean => name === method || (name === 'GET' && method === 'HEAD')
  const isPath =
    (isRestricting: boolean, path: string) =>
    (pattern: string): boolean =>
      matchPath(pattern, path, view.semantics, isRestricting)
  const host = facts?.host?.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  const isHost = (pattern: string): boolean => {
    const wanted = pattern.toLowerCase()
    if (!wanted.startsWith('*')) return host === wanted
    return host !== undefined && host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1
  }
  const slashDecoded = target.decoded?.slashDecoded
  const isExcluded = (pattern: string): boolean =>
    isPath(action === 'ALLOW', view.path)(pattern) ||
    (action === 'ALLOW' && slashDecoded !== undefined && isPath(true, slashDecoded.path)(pattern))
  return every([
    list(to.methods, to.notMethods, isMethod),
    list(to.paths, undefined, isPath(action === 'DENY', view.path)),
    list(undefined, to.notPaths, isExcluded),
    known(host, list(to.hosts, to.notHosts, isHost), to.hosts ?? to.notHosts),
    known(
      facts?.port,
      list(to.ports, to.notPorts, (port) => port === facts?.port),
      to.ports ?? to.notPorts,
    ),
  ])
}

function matchHeader({ header, values, notValues }: PolicyHeader, { facts }: DecisionRequest, action: string): Answer {
  const lines = facts?.headerLines(header)
  if (lines === undefined) return 'unknown'
  const isOne = (listed: readonly string[], value: string): boolean =>
    listed.some((each) => {
      if (each.endsWith('*')) return value.startsWith(each.slice(0, -1))
      return each.startsWith('*') ? value.endsWith(each.slice(1)) : value === each
    })
  if (lines.length === 0) return answer(values === undefined)
  const elements = lines.flatMap((line) =>
    line.includes(',')
      ? [
          line,
          ...line
            .split(',')
            .map((each) => each.trim())
            .filter(Boolean),
        ]
      : [line],
  )
  if (action === 'DENY') {
    const isFound = values === undefined || elements.some((each) => isOne(values, each))
    const isOther = notValues === undefined || elements.some((each) => !isOne(notValues, each))
    return answer(isFound && isOther)
  }
  const [only = ''] = lines
  if (lines.length > 1) return 'no'
  return answer(
    (values === undefined || isOne(values, only)) && !elements.some((each) => notValues && isOne(notValues, each)),
  )
}

function matchPath(pattern: string, path: string, semantics: PathSemantics, isRestricting: boolean): boolean {
  const fold = (text: string): string => {
    const folded = foldCase(text, semantics.foldCase)
    return semantics.foldTrailingSlash && folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded
  }
  const isSubtree = pattern.endsWith('/**')
  const wanted = (isSubtree ? pattern.slice(0, -3) : fold(pattern)).split('/').slice(1)
  const found = fold(path).split('/').slice(1)
  if (isSubtree ? found.length < wanted.length : found.length !== wanted.length) return false
  return wanted.every((segment, index) => {
    const other = found[index] ?? ''
    return segment === '*' ? other !== '' || isRestricting : foldCase(segment, semantics.foldCase) === other
  })
}

function foldCase(text: string, kind: PathSemantics['foldCase']): string {
  if (kind === false) return text
  if (kind === 'unicode') return text.toLowerCase()
  return Array.from(text, (letter) => (letter >= 'A' && letter <= 'Z' ? letter.toLowerCase() : letter)).join('')
}

function matchSegments(pattern: string, text: string): boolean {
  const wanted = pattern.split('/')
  const found = text.split('/')
  const isSubtree = wanted.at(-1) === '**'
  // The ID of a trust domain is not below it.
  if (isSubtree && wanted.length === 2) return found.length > 1 && found[0] === wanted[0]
  if (isSubtree) wanted.pop()
  if (isSubtree ? found.length < wanted.length : found.length !== wanted.length) return false
  return wanted.every((segment, index) => segment === '*' || segment === found[index])
}

function listAddresses(
  blocks: readonly string[] | undefined,
  notBlocks: readonly string[] | undefined,
  address: string | undefined,
): Answer {
  if (blocks === undefined && notBlocks === undefined) return 'yes'
  const value = address === undefined ? undefined : toNumber(address.replace(/%.*/, ''))
  if (value === undefined) return 'unknown'
  return list(blocks, notBlocks, (block) => {
    const [base = '', length = base.includes(':') ? '128' : '32'] = block.split('/')
    const shift = BigInt((base.includes(':') ? 128 : 32) - Number(length))
    return (toNumber(base) ?? 0n) >> shift === value >> shift
  })
}

/** The value of an address of the tests; IPv4 addresses are mapped. */
function toNumber(text: string): bigint | undefined {
  const [v4 = ''] = /\d+\.\d+\.\d+\.\d+$/.exec(text) ?? []
  const number = v4.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
  if (v4 !== '' && (text === v4 || text === `::ffff:${v4}`)) return (0xffffn << 32n) + number
  if (!text.includes(':')) return undefined
  const [head = '', tail = ''] = text.split('::')
  const groups = (part: string): readonly string[] => (part === '' ? [] : part.split(':'))
  const zeros = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array.from({ length: zeros }, () => '0'), ...groups(tail)]
  return all.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n)
}

function list<Value>(
  values: readonly Value[] | undefined,
  notValues: readonly Value[] | undefined,
  isOne: (value: Value) => boolean,
): Answer {
  return answer((values === undefined || values.some(isOne)) && notValues?.some(isOne) !== true)
}

function known(fact: unknown, found: Answer, listed: unknown): Answer {
  return listed !== undefined && fact === undefined ? 'unknown' : found
}

function every(answers: readonly Answer[]): Answer {
  if (answers.includes('no')) return 'no'
  return answers.includes('unknown') ? 'unknown' : 'yes'
}

function some(answers: readonly Answer[]): Answer {
  if (answers.includes('yes')) return 'yes'
  return answers.includes('unknown') ? 'unknown' : 'no'
}

function answer(isMatch: boolean): Answer {
  return isMatch ? 'yes' : 'no'
}
