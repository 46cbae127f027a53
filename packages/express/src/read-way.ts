import type { IncomingMessage } from 'node:http'
import type { AdapterGuard, Reading, ReadWay, RecognizeListener, RequestWay } from '@countersign/core/adapter'
import {
  findRootApp,
  isApplication,
  isRouter,
  readAppOptions,
  readLayers,
  type RouterLayer,
} from './express-internals.ts'

/**
 * How the routers of the application that handles a request read its path. Routers do not inherit their options from
 * each other, so where a mounted one differs both readings have to agree.
 */
export function readWay(
  request: IncomingMessage & { readonly app?: unknown },
  url: string,
  rulesMayFold: boolean,
): RequestWay {
  const app = findRootApp(request.app)
  // A bare router folds by default, and nothing tells whether this one does.
  return app === undefined ? unknownWay : readRootWay(app, url, rulesMayFold)
}

/**
 * Returns how an attached server learns to decide as `countersign()` would: by recognizing the application that is its
 * request listener. One function for all guards whose rules may fold and one for all others.
 */
export function recognizerFor(rules: AdapterGuard['rules']): RecognizeListener {
  return mayFold(rules) ? recognizeFolding : recognizePlain
}

const recognizeFolding: RecognizeListener = (listener) => recognize(listener, true)
const recognizePlain: RecognizeListener = (listener) => recognize(listener, false)

function recognize(listener: object, rulesMayFold: boolean): ReadWay | undefined {
  if (isApplication(listener)) return ({ url = '' }) => readRootWay(listener, url, rulesMayFold)
  return isRouter(listener) ? readUnknown : undefined
}

/** How a request listener reads paths of which nothing is known. */
export const readUnknown: ReadWay = () => unknownWay

function readRootWay(app: object, url: string, rulesMayFold: boolean): RequestWay {
  // Only capitals and a trailing slash can be read in two ways, and few requests and rules have them.
  return rulesMayFold || isFoldable(url) ? readAppWay(app) : looseWay
}

/** Whether two readings of these rules can differ. */
export function mayFold(rules: AdapterGuard['rules']): boolean {
  return rules.rules.some(({ text }) => isFoldable(text))
}

// Of the path: a query often has capitals, and no router looks at it. An escape can stand for a capital.
function isFoldable(target: string): boolean {
  for (let index = 0; index < target.length; index += 1) {
    const code = target.charCodeAt(index)
    if (code === question) return endsInSlash(target, index)
    if (code === percent || (code >= upperA && code <= upperZ)) return true
  }
  return endsInSlash(target, target.length)
}

function endsInSlash(target: string, end: number): boolean {
  return end > 1 && target.charCodeAt(end - 1) === slash
}

const percent = 0x25
const slash = 0x2f
const question = 0x3f
const upperA = 0x41
const upperZ = 0x5a

const exact: Reading = Object.freeze({ foldCase: false, foldTrailingSlash: false })

const loose: Reading = Object.freeze({ foldCase: 'ascii', foldTrailingSlash: true })

const unknownWay: RequestWay = Object.freeze({ reading: loose, alsoReading: exact })

const looseWay: RequestWay = Object.freeze({ reading: loose })

/** How the routers of a whole application read, whatever the request. */
export function readAppWay(app: object): RequestWay {
  const own = readAppOptions(app)
  const seen = {
    insensitive: !own.isCaseSensitive,
    sensitive: own.isCaseSensitive,
    lax: !own.isStrict,
    strict: own.isStrict,
    escaped: false,
  }
  const look = (layers: readonly RouterLayer[]): void => {
    for (const { kind, router, stack, isExpression, path } of layers) {
      if (/%[0-9a-f]{2}/i.test(path)) seen.escaped = true
      if (isExpression) seen.insensitive = seen.sensitive = seen.lax = seen.strict = true
      if (kind === 'router' && router !== undefined) {
        if (router.isCaseSensitive) seen.sensitive = true
        else seen.insensitive = true
        if (router.isStrict) seen.strict = true
        // A mount point matches with and without a trailing slash, whatever the options say.
        seen.lax = true
        look(stack)
      } else if (kind === 'application') {
        seen.insensitive = seen.sensitive = seen.lax = seen.strict = true
      } else if (kind === 'route') {
        // A router can stand in a route as well.
        look(stack)
      } else if (kind === 'opaque') {
        // It may lead to routers that fold, as they do by default.
        seen.insensitive = seen.lax = true
      }
    }
  }
  look(readLayers(app))
  // `/caf%C3%A9` is how a route of Express is written that a rule for `/café` is meant for. Where no route is, such a path
  // can only reach a parameter.
  const comparesEscaped = seen.escaped ? 'unneeded' : 'all'
  const reading: Reading = {
    foldCase: seen.insensitive ? 'ascii' : false,
    foldTrailingSlash: seen.lax,
    comparesEscaped,
  }
  const isMixed = (seen.insensitive && seen.sensitive) || (seen.lax && seen.strict)
  if (!isMixed) return { reading }
  const alsoReading: Reading = {
    foldCase: seen.sensitive ? false : 'ascii',
    foldTrailingSlash: !seen.strict,
    comparesEscaped,
  }
  return { reading, alsoReading }
}
