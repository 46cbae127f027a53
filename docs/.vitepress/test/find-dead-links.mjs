/** Lists the links inside the site whose page or anchor does not exist. `inspected` has every page by its path. */
export function findDeadLinks(inspected) {
  return [...inspected].flatMap(([path, { links }]) =>
    links.flatMap((link) => {
      const { pathname, hash } = new URL(link)
      const target = inspected.get(pathname.endsWith('/') ? `${pathname}index.html` : decodeURIComponent(pathname))
      if (target === undefined) return [`${path}: links to ${pathname}, which does not exist`]
      const anchor = decodeURIComponent(hash.slice(1))
      return anchor === '' || target.anchors.includes(anchor)
        ? []
        : [`${path}: links to ${pathname}${hash}, which has no such heading`]
    }),
  )
}
