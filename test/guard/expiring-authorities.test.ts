import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Authority, createAuthority } from '@countersign/testkit'
import { stopClock } from './stopped-clock.ts'
import { createWatched, day, serveWatched, sourceEvents, type Watched } from './watched-service.ts'

const hour = day / 24
const start = Date.UTC(2030, 0, 1)
// A whole number of seconds, so that fractions of the lifetime are whole seconds as well. The last second counts (RFC
// 5280 §4.1.2.5).
const tenHours = { ttlSeconds: 36_000 - 1, notBefore: start }

test('names what is expiring, and its trust domain', async (context) => {
  const clock = stopClock(context, start)
  const of = { ttlSeconds: 36_000 - 1, notBefore: start }
  const [short, partner] = await Promise.all([
    createAuthority('saas.example', { name: 'ours', ...of }),
    createAuthority('partner.example', { name: 'theirs', ...of }),
  ])
  const watched = await createWatched(tenHours)
  const trustDomains = ['saas.example', 'partner.example']
  watched.source.replace({ bundles: { 'saas.example': [watched.authority, short], 'partner.example': partner } })
  const federated = await createWatched(tenHours, { source: watched.source, trustDomains })
  await serveWatched(context, federated)
  clock.pass(5 * hour)
  assert.deepEqual(
    sourceEvents(federated, 'expiring').map(({ of: what, trustDomain, detail }) => [what, trustDomain, nameIn(detail)]),
    [
      ['authority', 'saas.example', 'ours'],
      ['authority', 'partner.example', 'theirs'],
      ['own', 'saas.example', undefined],
    ],
  )
})

function nameIn(detail: string): string | undefined {
  return /CN=(\w+)/.exec(detail)?.[1]
}

/** Reports about authorities: by name and remaining share. */
function toldOfAuthorities(watched: Watched): readonly (readonly [name: string | undefined, remaining: unknown])[] {
  return sourceEvents(watched, 'expiring').flatMap(({ of, detail, remaining }) =>
    of === 'authority' ? [[nameIn(detail), remaining] as const] : [],
  )
}

/** An authority that is valid for these hours of the test. */
function validFor(name: string, from: number, until: number): Promise<Authority> {
  const notBefore = start + from * hour
  return createAuthority('saas.example', { name, notBefore, ttlSeconds: (until - from) * 3600 - 1, now: notBefore })
}

test('reports no authority that has a successor in its trust domain, and the newest when it expires', async (context) => {
  const clock = stopClock(context, start)
  // As SPIRE publishes them: each for ten hours, the next one after half of that time.
  const first = await validFor('first', 0, 10)
  const second = await validFor('second', 5, 15)
  const third = await validFor('third', 10, 20)
  const watched = await createWatched({ ttlSeconds: 100 * 86_400 })
  await serveWatched(context, watched)
  const publish = (...authorities: readonly Authority[]): void =>
    watched.source.replace({ bundles: { 'saas.example': [watched.authority, ...authorities] } })
  publish(first)
  clock.pass(5 * hour)
  publish(first, second)
  clock.pass(5 * hour)
  publish(second, third)
  clock.pass(10 * hour)
  assert.deepEqual(toldOfAuthorities(watched), [
    ['first', 0.5],
    ['second', 0.5],
    ['third', 0.5],
    ['third', 0.2],
    ['third', 0.05],
  ])
})

for (const [what, create, isReported] of [
  ['is reported with one that ends sooner', () => validFor('other', 2, 9), true],
  ['is reported with an older one that ends later', () => validFor('other', -2, 12), true],
  ['is reported with one that begins after its end', () => validFor('other', 11, 40), true],
  ['is not reported with one that begins at its end', () => validFor('other', 9, 40), false],
  ['is not reported with one that ends at the same time', () => validFor('other', 2, 10), false],
  ['is not reported with one that begins at the same time and ends later', () => validFor('other', 0, 30), false],
] as const) {
  test(`an authority ${what}`, async (context) => {
    const clock = stopClock(context, start)
    const watched = await createWatched({ ttlSeconds: 100 * 86_400 })
    await serveWatched(context, watched)
    const authorities = [watched.authority, await validFor('ending', 0, 10), await create()]
    watched.source.replace({ bundles: { 'saas.example': authorities } })
    clock.pass(5 * hour)
    assert.equal(
      toldOfAuthorities(watched).some(([name]) => name === 'ending'),
      isReported,
    )
  })
}

test('reports one of two authorities with the same dates', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched({ ttlSeconds: 100 * 86_400 })
  await serveWatched(context, watched)
  const authorities = [watched.authority, await validFor('one', 0, 10), await validFor('two', 0, 10)]
  watched.source.replace({ bundles: { 'saas.example': authorities } })
  clock.pass(5 * hour)
  assert.equal(toldOfAuthorities(watched).length, 1)
})

test('reports an authority again after its successor is withdrawn', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched({ ttlSeconds: 100 * 86_400 })
  await serveWatched(context, watched)
  const [ending, successor] = [await validFor('ending', 0, 10), await validFor('successor', 4, 30)]
  watched.source.replace({ bundles: { 'saas.example': [watched.authority, ending, successor] } })
  clock.pass(8.5 * hour)
  assert.deepEqual(toldOfAuthorities(watched), [])
  watched.source.replace({ bundles: { 'saas.example': [watched.authority, ending] } })
  assert.deepEqual(toldOfAuthorities(watched), [['ending', 0.2]])
})

test('an authority has no successor in another trust domain', async (context) => {
  const clock = stopClock(context, start)
  const younger = await createAuthority('partner.example', {
    name: 'younger',
    notBefore: start + 1,
    ttlSeconds: 80_000,
  })
  const watched = await createWatched({ ttlSeconds: 100 * 86_400 })
  watched.source.replace({
    bundles: { 'saas.example': [watched.authority, await validFor('ending', 0, 10)], 'partner.example': younger },
  })
  const trustDomains = ['saas.example', 'partner.example']
  const federated = await createWatched({}, { source: watched.source, trustDomains })
  await serveWatched(context, federated)
  clock.pass(5 * hour)
  assert.deepEqual(toldOfAuthorities(federated), [['ending', 0.5]])
})
