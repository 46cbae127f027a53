import assert from 'node:assert/strict'
import test from 'node:test'
import express from 'express'
import Fastify from 'fastify'
import { foldTarget, semanticsKey, type PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { targetOf } from './target-of.ts'

const foldings = [false, 'ascii', 'unicode', 'expression'] as const

// Spellings of `/key` and `/café` for which the two routers are known to differ.
const spellings = ['/key', '/KEY', '/%E2%84%AAey', '/caf%C3%A9', '/CAF%C3%A9', '/caf%C3%89', '/key/', '/KEY/']

test('folds the case of a path as Express does', async (t) => {
  const app = express()
  for (const path of ['/key', '/caf%C3%A9']) app.get(path, (_request, response) => void response.end(path))
  const listening = app.listen(0, '127.0.0.1')
  t.after(() => {
    listening.closeAllConnections()
    listening.close()
  })
  await new Promise((resolve) => listening.once('listening', resolve))
  const address = listening.address()
  assert.ok(typeof address === 'object' && address !== null)

  for (const spelling of spellings) {
    const response = await fetch(`http://127.0.0.1:${address.port}${spelling}`)
    await response.text()
    const folded = foldTarget(targetOf(spelling), { foldCase: 'ascii', foldTrailingSlash: true })
    assert.equal(response.status === 200, ['/key', '/café'].includes(folded), spelling)
  }
})

test('folds the case of a path as Fastify does', async () => {
  const app = Fastify({ routerOptions: { caseSensitive: false, ignoreTrailingSlash: true } })
  for (const path of ['/key', '/café']) app.get(path, () => path)

  for (const spelling of spellings) {
    const response = await app.inject(spelling)
    const folded = foldTarget(targetOf(spelling), { foldCase: 'unicode', foldTrailingSlash: true })
    assert.equal(response.statusCode === 200, ['/key', '/café'].includes(folded), spelling)
  }
  await app.close()
})

test('compares paths exactly, as Fastify does by default', async () => {
  const app = Fastify()
  for (const path of ['/key', '/café']) app.get(path, () => path)

  for (const spelling of spellings) {
    const response = await app.inject(spelling)
    const read = foldTarget(targetOf(spelling), { foldCase: false, foldTrailingSlash: false })
    assert.equal(response.statusCode === 200, ['/key', '/café'].includes(read), spelling)
  }
  await app.close()
})

test('folds the case of a path like a case-insensitive regular expression', () => {
  const letters = [
    'key',
    'KEY',
    'Key',
    '\u212aey',
    'café',
    'CAFÉ',
    'σ',
    'ς',
    'Σ',
    'µ',
    'μ',
    'ß',
    'ẞ',
    'ſ',
    's',
    'S',
    'ı',
    'i',
    'ﬀ',
    '𐐀',
    '𐐨',
  ]
  const fold = (text: string): string =>
    foldTarget(targetOf(`/${encodeURIComponent(text)}`), { foldCase: 'expression', foldTrailingSlash: false })
  for (const pattern of letters) {
    for (const text of letters) {
      assert.equal(fold(pattern) === fold(text), new RegExp(`^${pattern}$`, 'i').test(text), `${pattern} ${text}`)
    }
  }
})

test('keeps the path of a single slash in every reading', () => {
  for (const foldCase of foldings) {
    for (const foldTrailingSlash of [false, true]) {
      assert.equal(foldTarget(targetOf('/'), { foldCase, foldTrailingSlash }), '/')
    }
  }
})

test('removes exactly one trailing slash', () => {
  assert.equal(foldTarget(targetOf('/a/'), { foldCase: false, foldTrailingSlash: true }), '/a')
  assert.equal(foldTarget(targetOf('/a'), { foldCase: false, foldTrailingSlash: true }), '/a')
  assert.equal(foldTarget(targetOf('/a/'), { foldCase: false, foldTrailingSlash: false }), '/a/')
})

test('numbers readings so that only equal ones share a number', () => {
  const all: readonly PathSemantics[] = foldings.flatMap((foldCase) => [
    { foldCase, foldTrailingSlash: false },
    { foldCase, foldTrailingSlash: true },
  ])
  assert.equal(new Set(all.map(semanticsKey)).size, 8)
  assert.deepEqual(
    all.map(semanticsKey),
    all.map((semantics) => semanticsKey({ ...semantics })),
  )
})
