# Written by `mallctl render compose`; it will be written over: change the topology or an overlay instead.
# The shop's user makes and owns its schemas, mall_user, mall_order and mall_pay, and sees no others.
GRANT ALL PRIVILEGES ON `mall\_%`.* TO 'mall'@'%';
