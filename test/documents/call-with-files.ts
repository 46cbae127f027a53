import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import type { Running } from '@countersign/testkit'

/**
 * Calls as curl does on a page: with the files of this name in the current folder, and comparing host names. Returns the
 * status, or that the connection was closed.
 */
export function callWithFiles({ port }: Running, name: string, path: string): Promise<string> {
  const identity = name === 'none' ? {} : { key: readFileSync(`${name}.key`), cert: readFileSync(`${name}.pem`) }
  const tls = { ...identity, ca: readFileSync('bundle.0.pem'), servername: 'localhost', agent: false }
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path, ...tls }, (response) => {
      response.resume()
      resolve(String(response.statusCode))
    }).on('error', () => resolve('connection closed'))
  })
}
