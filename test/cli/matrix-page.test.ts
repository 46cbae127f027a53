import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { formatMatrixHtml } from '../../packages/cli/src/policy/page/format-matrix-html.ts'
import { createDemoMatrix, hostile } from '../matrix/demo-matrix.ts'

/*
 * What can be checked without a browser; `npm run test:browser` opens the page in one.
 */

const html = formatMatrixHtml(createDemoMatrix([hostile]), { service: `spiffe://saas.example/${hostile}`, at: 0 })

test('the policy of the page allows its own script and style, and nothing else', () => {
  const hashes = ['style', 'script'].map((element) => {
    const [, text = ''] = new RegExp(`<${element}>(.*?)</${element}>`, 's').exec(html) ?? []
    assert.notEqual(text, '')
    return `sha256-${createHash('sha256').update(text).digest('base64')}`
  })
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html) ?? []

  assert.equal(
    policy,
    `default-src 'none'; script-src '${hashes[1]}'; style-src '${hashes[0]}'; base-uri 'none'; form-action 'none'`,
  )
})

test('a name is never markup, wherever it is', () => {
  assert.ok(html.includes('&#60;img src=x onerror=&#34;isTaken=1&#34;&#62;&#60;b&#62;&#38;amp;&#39;'))
  assert.doesNotMatch(html, /<img|<b>|&amp;/)
})

test('routes that every caller may call under the same conditions share a column', () => {
  const cells = [{ effect: 'allow', because: 'x' }] as const
  const routeOf = (path: string) => ({ method: 'GET', path, example: { method: 'GET', path } })
  const page = formatMatrixHtml(
    {
      routes: ['/a', '/b', '/c', '/d', '/e'].map(routeOf),
      rows: [
        {
          caller: 'one',
          kind: 'workload',
          cells: [...cells, ...cells, ...cells, ...cells, { effect: 'deny', because: 'y' }],
        },
      ],
    },
    { service: 'x', at: 0 },
  )

  assert.equal(page.match(/<th scope="col">/g)?.length, 3)
  assert.match(page, /<summary>1 more<\/summary>/)
  assert.equal(page.match(/<li id="reason-/g)?.length, 2)
})
