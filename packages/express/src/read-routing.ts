import type { IncomingMessage } from 'node:http'
import type {
  AdapterGuard,
  PathSemantics,
  ReadRouting,
  RecognizeListener,
  RequestRouting,
} from '@countersign/core/adapter'
import {
  findRootApp,
  isApplication,
  isRouter,
  readAppOptions,
  readLayers,
  type RouterLayer,
} from './express-internals.ts'

/**
 * Returns how the routers of the application that handles a request read its path. Routers do not inherit options from
 * each other, so if a mounted one differs, the decisions under both semantics have to agree.
 */
export function readRouting(
  request: IncomingMessage & { readonly app?: unknown },
  url: string,
  isFolding: boolean,
): RequestRouting {
  const app = findRootApp(request.app)
  // A bare router ignores case by default, and its setting cannot be read.
  return app === undefined ? unknownRouting : readRootRouting(app, url, isFolding)
}

/**
 * Returns the recognizer with which an attached server decides as `countersign()` would. All guards whose rules may
 * fold share one function, and all others share another.
 */
export function recognizerFor(guard: AdapterGuard): RecognizeListener {
  return mayFold(guard) ? recognizeFolding : recognizePlain
}

const recognizeFolding: RecognizeListener = (listener) => recognize(listener, true)
const recognizePlain: RecognizeListener = (listener) => recognize(listener, false)

function recognize(listener: object, isFolding: boolean): ReadRouting | undefined {
  if (isApplication(listener)) return ({ url = '' }) => readRootRouting(listener, url, isFolding)
  return isRouter(listener) ? readUnknown : undefined
}

/** Returns the routing of a request listener whose semantics are unknown. */
export const readUnknown: ReadRouting = () => unknownRouting

function readRootRouting(app: object, url: string, isFolding: boolean): RequestRouting {
  // Only capitals and a trailing slash can be read differently, and few requests and rules have them.
  return isFolding || isFoldable(url) ? readAppRouting(app) : looseRouting
}

/** Returns whether different semantics can change how the rules match. Policies may be replaced by others that fold. */
export function mayFold({ rules, hasPolicies }: AdapterGuard): boolean {
  return hasPolicies || rules.rules.some(({ text }) => isFoldable(text))
}

// Checks the path only: queries often have capitals, but no router reads them. An escape can stand for a capital.
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

const exact: PathSemantics = Object.freeze({ foldCase: false, foldTrailingSlash: false })

const loose: PathSemantics = Object.freeze({ foldCase: 'ascii', foldTrailingSlash: true })

const unknownRouting: RequestRouting = Object.freeze({ semantics: loose, otherSemantics: exact })

const looseRouting: RequestRouting = Object.freeze({ semantics: loose })

/** Returns how the routers of a whole application read paths, for any request. */
export function readAppRouting(app: object): RequestRouting {
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
        // A mount point matches with and without a trailing slash, whatever its options.
        seen.lax = true
        look(stack)
      } else if (kind === 'application') {
        seen.insensitive = seen.sensitive = seen.lax = seen.strict = true
      } else if (kind === 'route') {
        // A router can also be a handler in a route.
        look(stack)
      } else if (kind === 'opaque') {
        // It may lead to routers that fold, as they do by default.
        seen.insensitive = seen.lax = true
      }
    }
  }
  look(readLayers(app))
  // An Express route for which a rule on `/café` is meant is written `/caf%C3%A9`. If no route has an escape, such a
  // path can only reach a parameter.
  const comparesEscaped = seen.escaped ? 'unneeded' : 'all'
  const semantics: PathSemantics = {
    foldCase: seen.insensitive ? 'ascii' : false,
    foldTrailingSlash: seen.lax,
    comparesEscaped,
  }
  const isMixed = (seen.insensitive && seen.sensitive) || (seen.lax && seen.strict)
  if (!isMixed) return { semantics }
  const otherSemantics: PathSemantics = {
    foldCase: seen.sensitive ? false : 'ascii',
    foldTrailingSlash: !seen.strict,
    comparesEscaped,
  }
  return { semantics, otherSemantics }
}
