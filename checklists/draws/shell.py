"""A draw in bash, for whoever wants to trust nobody: what its page prints. Twin of `recipe.draw`."""

from checklists.draws.recipe import FrozenList, hashed

_START = r"""# bash, sha256sum, sort, awk; list.txt in the same folder.
export LC_ALL=C
secret={secret}
one={one}
two={two}
printf %s "$secret" | sha256sum   # {commitment}
sha256sum < list.txt              # {listed}
key() {{ h=$(printf %s "$secret $one $two $1" | sha256sum); echo "${{h%% *}}"; }}
tab=$(printf '\t')

# Units: the smallest key of each one's lots; first the least of each group, then whoever comes next.
grep "^unit$tab" list.txt | while IFS=$tab read -r _ code group lots _; do
  for lot in $(seq "$lots"); do echo "$(key "$code $lot") $code $group"; done | sort | head -n 1
done | sort | awk -v take={take} -v least={least} '
  {{ line[NR] = $2; if (++seen[$3] <= least) {{ chosen[NR] = 1; n++ }} }}
  END {{ for (i = 1; i <= NR; i++) if (!chosen[i] && n < take) {{ chosen[i] = 1; n++ }}
        for (i = 1; i <= NR; i++) if (chosen[i]) print line[i] }}' > units.txt
"""
_ITEMS = r"""
# Items: the first in the order of their keys.
grep "^item$tab" list.txt | while IFS=$tab read -r _ id number _; do
  echo "$(key "item $id")$tab$number"
done | sort | head -n {take_items} | cut -f 2
"""
_END = r"""
# Inspectors: for each unit in turn those who are sent to fewest so far, in the order of their keys, but nobody barred.
grep "^inspector$tab" list.txt | while IFS=$tab read -r _ id barred _; do
  echo "$(key "inspector $id") $id $barred"
done | sort > inspectors.txt
awk -v seats={seats} '
  NR == FNR {{ id[NR] = $2; barred[NR] = $3; n = NR; next }}
  {{ line = $1; split("", taken)
    for (seat = 1; seat <= seats; seat++) {{
      best = 0
      for (i = 1; i <= n; i++) {{
        may = !(i in taken); many = split(barred[i], codes, ",")
        for (j = 1; j <= many; j++) if (index($1, codes[j]) == 1) may = 0
        if (may && (!best || visits[i] + 0 < visits[best] + 0)) best = i
      }}
      taken[best] = 1; visits[best]++; line = line " " id[best]
    }}
    print line }}' inspectors.txt units.txt
"""


def script(frozen: FrozenList, secret: str, one: str, two: str) -> str:
    """Prints the items drawn (none if all are looked at), then each unit with the numbers of who goes there.

    Secret and numbers are hexadecimal and decimal digits, so nothing in it needs quoting.
    """
    text = _START + (_ITEMS if frozen.take_items else "") + _END
    return text.format(
        secret=secret,
        one=one,
        two=two,
        commitment=hashed(secret),
        listed=hashed(frozen.write()),
        take=frozen.take,
        least=frozen.least,
        take_items=frozen.take_items,
        seats=frozen.seats,
    )
