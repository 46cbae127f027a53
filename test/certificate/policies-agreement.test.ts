import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { toPem } from '../../packages/spiffe/src/certificate/pem.ts'
import { scale } from '../support/long.ts'
import { now } from './issue.ts'
import { anyPolicy, bronze, type Chain, gold, issueChain, type Policies, reasonOf, silver } from './policy-chains.ts'
import { createRandom, type Random } from './random.ts'

const openssl = spawnSync('openssl', ['version'], { encoding: 'utf8' })
const skip = openssl.status === 0 ? false : 'no openssl on the PATH'
// A chain takes openssl some 10 ms.
const chains = scale(100, 4000)

test(`agrees with openssl verify -policy_check over ${chains} chains`, { skip }, async (t) => {
  const random = createRandom(20_260_602)
  const outcomes = { ok: 0, policy_missing: 0 }
  for (let index = 0; index < chains; index += 1) {
    const said = Array.from({ length: random.below(4) }, () => choosePolicies(random))
    // OpenSSL applies the mappings of a leaf, and does not count a self-issued one; §6.1.5 does the opposite.
    const leaf = { ...choosePolicies(random), mappings: [], selfIssued: false }
    const chain = issueChain(choosePolicies(random), ...said, leaf)
    const ours = reasonOf(chain)
    assert.ok(ours === 'ok' || ours === 'policy_missing', ours)
    outcomes[ours] += 1
    const theirs = await askOpenssl(chain)
    // Below a mapping, OpenSSL 3.0 also accepts the old name through anyPolicy; by §6.1.4 b 1 only the new one is
    // valid.
    const isLoose =
      said.some(({ mappings }) => mappings !== undefined) && said.some(({ policies }) => policies?.includes(anyPolicy))
    if (ours === 'policy_missing' && theirs && isLoose) continue
    assert.equal(ours === 'ok', theirs, JSON.stringify({ index, said, leaf }))
  }
  t.diagnostic(`${openssl.stdout.trim()}: ${outcomes.ok} accepted, ${outcomes.policy_missing} refused`)
  assert.ok(outcomes.ok > chains / 5 && outcomes.policy_missing > chains / 5, JSON.stringify(outcomes))
})

function choosePolicies(random: Random): Policies {
  const policies = random.some([gold, silver, bronze, anyPolicy], 0.45)
  const named = [gold, silver, bronze]
  const mappings = random.chance(0.3) ? [[random.pick(named), random.pick(named)] as const] : []
  return {
    ...(policies.length > 0 && { policies }),
    ...(mappings.length > 0 && { mappings }),
    ...(random.chance(0.6) && { explicit: random.below(2) }),
    ...(random.chance(0.2) && { noMapping: random.below(3) }),
    ...(random.chance(0.2) && { noAny: random.below(3) }),
    critical: random.chance(0.5),
    selfIssued: random.chance(0.2),
  }
}

async function askOpenssl({ root, intermediates, leaf }: Chain): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-policies-'))
  try {
    const write = (file: string, certificates: readonly Buffer[]): string => {
      writeFileSync(join(folder, file), certificates.map((der) => toPem({ der })).join(''))
      return join(folder, file)
    }
    const untrusted = intermediates.length === 0 ? [] : ['-untrusted', write('untrusted', intermediates)]
    // Without -policy, OpenSSL requires no policy, and RFC 5280 accepts any policy.
    const options = ['-purpose', 'sslclient', '-attime', String(now / 1000), '-policy_check', '-policy', anyPolicy]
    const trusted = ['-no-CApath', '-no-CAstore', '-CAfile', write('trusted', [root])]
    return await new Promise((resolve) => {
      execFile('openssl', ['verify', ...options, ...trusted, ...untrusted, write('leaf', [leaf])], (_, output) => {
        resolve(output.includes(': OK'))
      })
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
