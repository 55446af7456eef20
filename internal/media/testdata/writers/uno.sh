# LibreOffice by its interface, which alone takes a password
for i in $(seq 9); do echo "$i,article $i,$((i * 7))"; done > list.csv
for i in $(seq 2000); do echo "$i,article $i,$((i * 7))"; done > table.csv
cat > a.py <<'PY'
import os, subprocess, time, uno
from com.sun.star.beans import PropertyValue
def props(**kw):
    return tuple(PropertyValue(k, 0, v, 0) for k, v in kw.items())
here = "file://" + os.getcwd()
office = subprocess.Popen(["soffice", "--headless", "-env:UserInstallation=" + here + "/profile",
                           "--accept=pipe,name=%d;urp" % os.getpid(), "--norestore"])
resolver = uno.getComponentContext().ServiceManager.createInstance("com.sun.star.bridge.UnoUrlResolver")
for left in range(600, -1, -1):
    try:
        context = resolver.resolve("uno:pipe,name=%d;urp;StarOffice.ComponentContext" % os.getpid())
        break
    except Exception:
        if left == 0 or office.poll() is not None:
            raise
        time.sleep(0.2)
desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
try:
    for name in "list", "table":
        doc = desktop.loadComponentFromURL("%s/%s.csv" % (here, name), "_blank", 0, props(Hidden=True))
        doc.storeToURL("%s/out/%s.xls" % (here, name), props(FilterName="MS Excel 97", Password="secret"))
        doc.close(True)
    doc = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, props(Hidden=True))
    doc.Text.String = "".join("paragraph %d of a letter\n" % i for i in range(400))
    doc.storeToURL("%s/out/letter.doc" % here, props(FilterName="MS Word 97", Password="secret"))
    doc.close(True)
finally:
    try:
        desktop.terminate()
    except Exception:
        office.kill()
    office.wait()
PY
/usr/bin/python3 a.py
