"""The buttons of the control port: each action changes the world, a switch, a fault or the access."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harmony.simulator import changes
from harmony.simulator.arguments import Arguments
from harmony.simulator.context import Tenant
from harmony.simulator.notifications import SPELLINGS, Rule
from harmony.simulator.routes import AREAS

Result = dict[str, Any]


def _chosen(tenant: Tenant, asked: Arguments) -> list[int]:
    """The devices meant: by id, or so many (1) of a group or of all."""
    ids = asked.ids()
    if ids is not None:
        return ids
    return changes.pick(tenant.world, asked.number("count") or 1, asked.group(tenant.world))


def add_devices(tenant: Tenant, asked: Arguments) -> Result:
    added = changes.add(tenant.world, asked.number("count") or 1, asked.group(tenant.world))
    return {"added": len(added), "ids": added}


def remove_devices(tenant: Tenant, asked: Arguments) -> Result:
    return {"removed": changes.remove(tenant.world, _chosen(tenant, asked))}


def edit_devices(tenant: Tenant, asked: Arguments) -> Result:
    ids = _chosen(tenant, asked)
    return {"edited": changes.edit(tenant.world, ids, asked.fields(), asked.words("unset"))}


def move_devices(tenant: Tenant, asked: Arguments) -> Result:
    to = asked.group(tenant.world, "to")
    if to is None:
        raise ValueError("to is missing.")
    return {"moved": changes.move(tenant.world, _chosen(tenant, asked), to)}


def touch_devices(tenant: Tenant, asked: Arguments) -> Result:
    some = asked.values.keys() & {"ids", "count", "group"}
    ids = _chosen(tenant, asked) if some else None
    return {"touched": changes.touch(tenant.world, ids, asked.moment("at"))}


def install_app(tenant: Tenant, asked: Arguments) -> Result:
    identifier = _identifier(asked)
    app = (asked.text("name") or identifier, asked.text("version") or "1.0")
    ids = _chosen(tenant, asked)
    return {"installed": changes.put_app(tenant.world, ids, identifier, app, asked.moment("at"))}


def remove_app(tenant: Tenant, asked: Arguments) -> Result:
    identifier, ids = _identifier(asked), _chosen(tenant, asked)
    return {"removed": changes.put_app(tenant.world, ids, identifier, None, asked.moment("at"))}


def _identifier(asked: Arguments) -> str:
    if not asked.text("identifier"):
        raise ValueError("identifier is missing.")
    return asked.text("identifier")


def empty_group(tenant: Tenant, asked: Arguments) -> Result:
    group, smart_group = asked.group(tenant.world), asked.smart_group(tenant.world)
    if group is not None:
        return {"removed": changes.empty_group(tenant.world, group)}
    if smart_group is not None:
        return {"released": changes.empty_smart_group(tenant.world, smart_group)}
    raise ValueError("group or smart_group is missing.")


def delete_group(tenant: Tenant, asked: Arguments) -> Result:
    group, smart_group = asked.group(tenant.world), asked.smart_group(tenant.world)
    if group == tenant.top:
        raise ValueError("The top group cannot be deleted: the API account lives in it.")
    if group is not None:
        return {"removed": changes.delete_group(tenant.world, group)}
    if smart_group is not None:
        return {"released": changes.delete_smart_group(tenant.world, smart_group)}
    raise ValueError("group or smart_group is missing.")


def set_switches(tenant: Tenant, asked: Arguments) -> Result:
    if "name" in asked.values:
        tenant.switches.set(asked.text("name"), asked.text("value"))
    else:
        for name, value in asked.values.items():
            tenant.switches.set(name, str(value))
    return {"switches": tenant.switches.all()}


def reset_switches(tenant: Tenant, asked: Arguments) -> Result:
    tenant.switches.reset()
    return {"switches": tenant.switches.all()}


def set_fault(tenant: Tenant, asked: Arguments) -> Result:
    fault = tenant.faults.add(
        asked.text("kind"),
        path=asked.text("path"),
        page=asked.number("page"),
        group=asked.number("group"),
        after=asked.number("after") or 0,
        times=asked.number("times"),
        value=asked.number("value"),
        field=asked.text("field"),
        text=asked.text("text"),
        every=asked.number("every"),
    )
    return {"id": fault.id, "kind": fault.kind}


def clear_faults(tenant: Tenant, asked: Arguments) -> Result:
    tenant.faults.clear(ident=asked.number("id"), kind=asked.text("kind") or None)
    return {"faults": tenant.faults.all()}


def set_latency(tenant: Tenant, asked: Arguments) -> Result:
    tenant.latency_ms = max(0, asked.number("ms") or 0)
    return {"latency_ms": tenant.latency_ms}


def set_quota(tenant: Tenant, asked: Arguments) -> Result:
    limit = tenant.switches.number("rate_limit")
    tenant.meter.leave(limit, asked.required("remaining"), asked.number("reset_in"))
    return {"limit": limit, "remaining": asked.number("remaining")}


def set_access(tenant: Tenant, asked: Arguments) -> Result:
    revoked = asked.truth("revoked")
    if revoked is not None:
        tenant.gate.revoke(revoked)
    if asked.truth("expire_tokens"):
        tenant.gate.expire_tokens()
    if "denied" in asked.values:
        denied = frozenset(asked.words("denied")) - {"none"}
        if unknown := denied - set(AREAS):
            raise ValueError(f"There is no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}.")
        tenant.gate.denied = denied
    return {"revoked": tenant.gate.revoked, "denied": sorted(tenant.gate.denied)}


def set_rule(tenant: Tenant, asked: Arguments) -> Result:
    """Set the rule of event notifications; with `test` press its Test Connection."""
    spelling = asked.text("spelling") or "new"
    if spelling not in SPELLINGS:
        raise ValueError(f"spelling takes {', '.join(SPELLINGS)}, not {spelling!r}.")
    if not asked.text("url").startswith(("http://", "https://")):
        raise ValueError("url is missing.")
    truths = {name: asked.truth(name) or False for name in ("active", "doubled", "reordered", "nulls")}
    password = asked.text("password") or tenant.notifier.rule.password
    tenant.notifier.set(Rule(asked.text("url"), asked.text("user"), password, spelling=spelling, **truths))
    return {"status": tenant.notifier.test()}


def forget_counters(tenant: Tenant, asked: Arguments) -> Result:
    tenant.meter.forget()
    return {"calls": {}}


ACTIONS: dict[str, Callable[[Tenant, Arguments], Result]] = {
    "devices/add": add_devices,
    "devices/remove": remove_devices,
    "devices/edit": edit_devices,
    "devices/move": move_devices,
    "devices/touch": touch_devices,
    "apps/install": install_app,
    "apps/remove": remove_app,
    "groups/empty": empty_group,
    "groups/delete": delete_group,
    "switches": set_switches,
    "switches/reset": reset_switches,
    "faults": set_fault,
    "faults/clear": clear_faults,
    "latency": set_latency,
    "quota": set_quota,
    "access": set_access,
    "events/rule": set_rule,
    "counters/reset": forget_counters,
}
